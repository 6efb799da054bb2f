// Requests to the service, and its errors as sentences.

const service = { key: recall("sessionStorage", "seodang-key") };

/** An error that the page explains: the name of a text, and the values in it. */
class Problem extends Error {
  constructor(name, values = {}) {
    super(name);
    this.values = values;
  }
}

/** Return an error as a Problem; any other one is a fault of the page, which the browser's console must show. */
function toProblem(error) {
  if (error instanceof Problem) return error;
  reportError(error);
  return new Problem("failed");
}

const PROBLEMS_BY_CODE = {
  context_length_exceeded: "too-long",
  model_not_found: "not-served",
  queue_full: "busy",
  connections: "busy",
  rate_limit_exceeded: "rate-limit",
  too_many_concurrent_requests: "concurrent",
  stopping: "stopping",
  answer_timeout: "too-slow",
  engine_stopped: "engine-stopped",
  no_keys: "no-keys",
  host_not_allowed: "host",
  body_too_large: "too-large",
  internal_error: "failed",
};
const PROBLEMS_BY_STATUS = { 403: "no-keys", 413: "too-large", 429: "busy", 500: "failed", 502: "unreachable", 503: "stopping", 504: "stopping" };

/** Return an error of the service as a Problem; an event of a stream has neither status nor header. */
function explain(error, response) {
  const name = PROBLEMS_BY_CODE[error?.code] ?? PROBLEMS_BY_STATUS[response?.status];
  if (!name) return new Problem("refused", { message: error?.message ?? response?.status });
  const seconds = response?.headers.get("retry-after");
  const limit = response?.headers.get("x-ratelimit-limit-requests");
  if (name !== "rate-limit") return new Problem(name);
  return seconds && limit ? new Problem(service.key ? name : "rate-limit-of-all", { seconds, limit }) : new Problem("busy");
}

/** Send a request; a body makes it a POST. Throws a Problem, or an AbortError if it was stopped. */
async function send(path, body, signal) {
  const headers = {};
  if (/[^\x21-\x7e]/.test(service.key ?? "")) throw new Problem("key-wrong"); // no header may hold it
  if (service.key) headers.Authorization = `Bearer ${service.key}`;
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal, cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem("unreachable");
  }
  if (response.ok) return response;
  if (response.status === 401) throw new Problem(service.key ? "key-wrong" : "key-needed");
  const content = await response.json().catch(() => null);
  throw explain(content?.error, response);
}

async function sendForJson(path, body, signal) {
  const response = await send(path, body, signal);
  try {
    return await response.json();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem("broken-off");
  }
}

/** Yield the events of a stream as they come; an event with an error is thrown, and so is an end before [DONE]. */
async function* readEvents(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      rest += decoder.decode(value, { stream: true });
      const events = rest.split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const data = event.replace(/^data: ?/, "");
        if (data === "[DONE]") return;
        const content = JSON.parse(data);
        if (content.error) throw explain(content.error);
        yield content;
      }
    }
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
  } finally {
    reader.cancel().catch(() => {});
  }
  throw new Problem("broken-off");
}
