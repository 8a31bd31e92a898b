// Who stands on the page, and by which token each of them connects.
//
// In a demo the service hands out people and tokens. Elsewhere it is whoever signs in, with a token that is kept in
// this variable and nowhere else, or by the cookie of their login.

const isDemo = document.documentElement.dataset.scene === "demo";
export { isDemo };

let adminToken = null;

// The first of them is who the board is for.
export async function everybody() {
  return isDemo ? demoPeople() : [await staff()];
}

// The token that the board itself is asked with; `renew` after it was refused.
export async function boardToken(renew = false) {
  if (isDemo && (renew || !adminToken)) adminToken = await demoToken("admin");
  if (!isDemo && renew) await signIn("This token is no longer good.");
  return adminToken;
}

async function demoPeople() {
  const passes = await passesOfDemo();
  adminToken = passes[0].token;
  return passes.map(({ token, ...pass }) => ({ ...pass, token: () => demoToken(pass.id) }));
}

// A new one each time: the last may have expired, have been revoked, or be of a demo that has ended.
async function demoToken(id) {
  return (await passesOfDemo()).find((pass) => pass.id === id).token;
}

async function passesOfDemo() {
  const response = await fetch("/demo/people");
  if (!response.ok) throw new Error(`/demo/people answered ${response.status}`);
  return response.json();
}

async function staff() {
  const { keys } = (await signedIn()) ?? (await signIn());
  return { id: "me", name: "You", is: "signed in", clients: ["socketio", "plain"], keys, token: async () => adminToken };
}

// What the service says of who is signed in; null if it is nobody that the board is for.
async function signedIn() {
  const headers = adminToken ? { Authorization: `Bearer ${adminToken}` } : {};
  const response = await fetch("/board/explained", { headers });
  if (response.ok) return response.json();
  if (![401, 403].includes(response.status)) throw new Error(`the service answered ${response.status}`);
  document.getElementById("refusal").textContent = adminToken ? (await response.text()).trim() : "";
  return null;
}

async function signIn(why = "") {
  const dialog = document.getElementById("sign-in");
  const input = document.getElementById("token");
  document.getElementById("refusal").textContent = why;
  for (;;) {
    if (!dialog.open) dialog.showModal();
    await new Promise((submitted) => dialog.addEventListener("close", submitted, { once: true }));
    // Closed by Escape, say: there is nothing else to show.
    if (!input.value) continue;
    adminToken = input.value.trim();
    input.value = "";
    const answer = await signedIn();
    if (answer) return answer;
  }
}
