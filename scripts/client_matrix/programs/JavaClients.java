import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** The two HTTP clients of the JDK on a plan of requests: JavaClients http-client|url-connection PLAN. */
public final class JavaClients {
    private record Answer(int status, String requestId, String serverTiming, byte[] body) {}

    private interface Client {
        Answer send(String method, String url, String requestId, String traceparent, byte[] body, boolean chunked)
                throws IOException, InterruptedException;
    }

    public static void main(String[] arguments) throws IOException {
        Client client = arguments[0].equals("http-client") ? new ModernClient() : JavaClients::urlConnection;
        for (String line : Files.readAllLines(Path.of(arguments[1]))) {
            // name, method, url, x-request-id, traceparent, file of the body or -, chunked or length, file for the answer
            String[] field = line.split("\t");
            byte[] body = field[5].equals("-") ? null : Files.readAllBytes(Path.of(field[5]));
            try {
                Answer answer = client.send(field[1], field[2], field[3], field[4], body, field[6].equals("chunked"));
                Files.write(Path.of(field[7]), answer.body);
                print(field[0], answer.status, answer.requestId, answer.serverTiming, "-");
            } catch (IOException | InterruptedException problem) {
                print(field[0], 0, "-", "-", problem.toString());
            }
        }
    }

    private static void print(String name, int status, String requestId, String serverTiming, String problem) {
        System.out.println(String.join("\t", name, "" + status, requestId, serverTiming, problem.replaceAll("\\s+", " ")));
    }

    /** java.net.http, which asks for HTTP/2 with each request as it does by default. */
    private static final class ModernClient implements Client {
        private final HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();

        @Override
        public Answer send(
                String method, String url, String requestId, String traceparent, byte[] body, boolean chunked)
                throws IOException, InterruptedException {
            HttpRequest.BodyPublisher sent =
                    body == null
                            ? HttpRequest.BodyPublishers.noBody()
                            : chunked
                                    ? HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))
                                    : HttpRequest.BodyPublishers.ofByteArray(body);
            HttpRequest.Builder request =
                    HttpRequest.newBuilder(URI.create(url))
                            .timeout(Duration.ofSeconds(20))
                            .header("x-request-id", requestId)
                            .header("traceparent", traceparent)
                            .method(method, sent);
            if (body != null) {
                request.header("content-type", "application/json");
            }
            HttpResponse<byte[]> response = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
            return new Answer(
                    response.statusCode(),
                    response.headers().firstValue("x-request-id").orElse("-"),
                    response.headers().firstValue("server-timing").orElse("-"),
                    response.body());
        }
    }

    private static Answer urlConnection(
            String method, String url, String requestId, String traceparent, byte[] body, boolean chunked)
            throws IOException {
        HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
        connection.setConnectTimeout(5_000);
        connection.setReadTimeout(20_000);
        connection.setRequestMethod(method);
        connection.setRequestProperty("x-request-id", requestId);
        connection.setRequestProperty("traceparent", traceparent);
        if (body != null) {
            connection.setRequestProperty("content-type", "application/json");
            connection.setDoOutput(true);
            if (chunked) {
                connection.setChunkedStreamingMode(0);
            }
            connection.getOutputStream().write(body);
        }
        int status = connection.getResponseCode();
        try (InputStream stream = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            return new Answer(
                    status,
                    header(connection, "x-request-id"),
                    header(connection, "server-timing"),
                    stream == null ? new byte[0] : stream.readAllBytes());
        }
    }

    private static String header(HttpURLConnection connection, String name) {
        String value = connection.getHeaderField(name);
        return value == null ? "-" : value;
    }
}
