// Opens a page in Chromium, again if need be: when a network interface comes or goes (a test beside this one may set
// up a network), it drops whatever it is loading, from loopback, too.

export const NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED";

export async function goto(page, url) {
  let dropped;
  page.on("requestfailed", (request) => (dropped ||= request.failure().errorText === NETWORK_CHANGED));
  do {
    dropped = false;
    await page.goto(url).catch((error) => {
      if (!error.message.includes(NETWORK_CHANGED)) throw error;
    });
  } while (dropped);
}
