// Runs aimock (npm: @copilotkit/aimock), a server for chat completions that this project did not write, with the answers that the
// tests ask for by the user's message. Argument: the package's folder. Writes its URL, and ends with standard input.

import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { LLMock } = await import(pathToFileURL(join(process.argv[2], "dist", "index.js")));
const mock = new LLMock({ port: 0, logLevel: "silent" });

const call = (a, b) => ({ name: "add", arguments: JSON.stringify({ a, b }) });
const three = { toolCalls: [call(1, 2), call(30, 40), call(500, 600)] };

// What the model asks for, and what it says once it has the results.
const turns = (word, asks, says, options) => {
  mock.on({ userMessage: word, hasToolResult: false }, asks, options);
  mock.on({ userMessage: word, hasToolResult: true }, { content: says });
};
turns("parallel", three, "Three sums.");
turns("in small pieces", three, "Three sums.", { chunkSize: 2 });
turns("says stop", { ...three, finishReason: "stop" }, "Three sums.");
turns("talks first", { content: "Let me see.", ...three }, "Three sums.");
turns("calls first", { blocks: [{ type: "toolCall", ...call(1, 2) }, { type: "text", text: "And that is it." }] }, "One sum.");
turns("malformed", { toolCalls: [{ name: "add", arguments: '{"a": 1, ' }, call(1, 2)] }, "I am sorry.");
turns("unknown", { toolCalls: [{ name: "subtract", arguments: "{}" }, call(1, 2)] }, "I am sorry.");

mock.on({ userMessage: "thinks" }, { content: "Hello.", reasoning: "They greet me." });
mock.on({ userMessage: "is cut" }, three, { truncateAfterChunks: 4 });
mock.on({ userMessage: "is garbled" }, { content: "Hello." }, { chaos: { malformedRate: 1 } });
mock.on({ userMessage: "is dropped" }, { content: "Hello." }, { chaos: { disconnectRate: 1 } });
const limit = { error: { message: "Slow down.", type: "rate_limit_error", code: "rate_limit_exceeded" }, status: 429, retryAfter: 1 };
mock.on({ userMessage: "is limited", sequenceIndex: 0 }, limit);
mock.on({ userMessage: "is limited" }, { content: "Hello." });
mock.on({ userMessage: "is refused" }, { error: { message: "No such model.", code: "model_not_found" }, status: 404 });

console.log(await mock.start());
process.stdin.on("close", () => process.exit()).resume();
