// Node's fetch (undici) on a plan of requests: node fetch.mjs PLAN
import { readFileSync, writeFileSync } from "node:fs";

for (const line of readFileSync(process.argv[2], "utf8").trimEnd().split("\n")) {
  const [name, method, url, requestId, traceparent, file, framing, answerFile] = line.split("\t");
  const headers = { "x-request-id": requestId, traceparent };
  const request = { method, headers, signal: AbortSignal.timeout(20_000) };
  if (file !== "-") {
    const body = readFileSync(file);
    headers["content-type"] = "application/json";
    // A stream has no length that fetch knows, so it is sent in chunks.
    request.body = framing === "chunked" ? new Blob([body]).stream() : body;
    request.duplex = "half";
  }
  try {
    const response = await fetch(url, request);
    writeFileSync(answerFile, Buffer.from(await response.arrayBuffer()));
    const passed = ["x-request-id", "server-timing"].map((header) => response.headers.get(header) ?? "-");
    console.log([name, response.status, ...passed, "-"].join("\t"));
  } catch (problem) {
    console.log([name, 0, "-", "-", `${problem}: ${problem.cause ?? ""}`.replace(/\s+/g, " ")].join("\t"));
  }
}
