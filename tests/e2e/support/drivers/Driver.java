// Drives io.socket:socket.io-client: the same conversation as node.mjs, whose names of options it keeps.
//
//   in:   {"open": name, "url": .., "options": {..}}   {"close": name}
//   out:  {"client": name, "type": "event" | "connect" | "disconnect" | "connect_error" | "attempt", ..}
//
// Run from its source: java -cp 'the library and what it needs' Driver.java

import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONObject;

public class Driver {
    private static final Map<String, Socket> CLIENTS = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            var command = new JSONObject(line);
            if (command.has("open")) {
                open(command.getString("open"), command.getString("url"), command.getJSONObject("options"));
            } else {
                CLIENTS.remove(command.getString("close")).disconnect();
            }
        }
        // The library's threads are no daemons.
        System.exit(0);
    }

    private static void open(String name, String url, JSONObject options) throws Exception {
        Socket socket = IO.socket(URI.create(url), clientOptions(options));
        CLIENTS.put(name, socket);
        socket.onAnyIncoming(event -> tell(name, "event", "name", event[0], "args", rest(event)));
        socket.on(Socket.EVENT_CONNECT, nothing -> tell(name, "connect"));
        socket.on(Socket.EVENT_DISCONNECT, reason -> tell(name, "disconnect", "detail", reason[0]));
        socket.on(Socket.EVENT_CONNECT_ERROR, error -> tell(name, "connect_error", "detail", error[0].toString()));
        socket.io().on(Manager.EVENT_RECONNECT_ATTEMPT, attempt -> tell(name, "attempt", "detail", attempt[0]));
        socket.connect();
    }

    private static IO.Options clientOptions(JSONObject given) throws Exception {
        var options = new IO.Options();
        options.forceNew = true;
        options.path = given.getString("path");
        options.transports = new String[] {given.getJSONArray("transports").getString(0)};
        options.reconnectionDelay = given.optLong("reconnectionDelay", 1000);
        options.reconnectionDelayMax = given.optLong("reconnectionDelayMax", 5000);
        options.auth = texts(given, "auth");
        options.extraHeaders = new HashMap<>();
        texts(given, "extraHeaders").forEach((header, value) -> options.extraHeaders.put(header, List.of(value)));
        var query = new StringBuilder();
        texts(given, "query").forEach((key, value) -> query.append('&').append(key).append('=').append(value));
        options.query = query.length() > 0 ? query.substring(1) : null;
        return options;
    }

    private static Map<String, String> texts(JSONObject options, String name) throws Exception {
        var texts = new HashMap<String, String>();
        var object = options.optJSONObject(name);
        for (Iterator<?> keys = object == null ? Map.of().keySet().iterator() : object.keys(); keys.hasNext(); ) {
            var key = keys.next().toString();
            texts.put(key, object.getString(key));
        }
        return texts;
    }

    private static JSONArray rest(Object[] event) {
        return new JSONArray(Arrays.asList(event).subList(1, event.length));
    }

    private static synchronized void tell(String client, String type, Object... more) {
        try {
            var line = new JSONObject().put("client", client).put("type", type);
            for (int at = 0; at < more.length; at += 2) {
                line.put(more[at].toString(), more[at + 1]);
            }
            System.out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
            System.out.flush();
        } catch (Exception fault) {
            throw new IllegalStateException(fault);
        }
    }
}
