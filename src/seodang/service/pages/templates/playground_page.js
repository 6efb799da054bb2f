// The form, the models, and what happens when a request is sent.

const form = byId("ask");
const state = { models: [], turns: [], running: null };
const isWide = window.matchMedia("(min-width: 861px)");
const NUMBERS = ["temperature", "top_p", "max_tokens", "seed"];

const isChoosing = () => form.elements.mode.value === "choose";
const listOptions = () => [...new Set(byId("options").value.split("\n").map((line) => line.trim()).filter(Boolean))];
const readQuestion = () => ({
  instruction: byId("instruction").value.trim(),
  input: byId("input").value.trim(),
  options: isChoosing() ? listOptions() : null,
});

function buildChat(question, model) {
  const messages = [];
  const system = byId("system").value.trim();
  if (system) messages.push({ role: "system", content: system });
  for (const turn of byId("history").checked ? state.turns : []) {
    const answer = turn.answers[model] ?? Object.values(turn.answers)[0];
    if (!answer) continue;
    messages.push({ role: "user", content: [turn.instruction, turn.input].filter(Boolean).join("\n\n") });
    messages.push({ role: "assistant", content: answer });
  }
  messages.push({ role: "user", content: question.instruction, input: question.input });
  const numbers = NUMBERS.filter((name) => byId(name).value !== "").map((name) => [name, Number(byId(name).value)]);
  return { model, messages, ...Object.fromEntries(numbers), stream: true };
}

function buildChoice({ instruction, input, options }, model) {
  return { ...(state.models.length > 1 ? { model } : {}), instruction, input, options };
}

function showCommand() {
  const path = isChoosing() ? "choose" : "v1/chat/completions";
  const model = byId("model").value;
  const body = isChoosing() ? buildChoice(readQuestion(), model) : buildChat(readQuestion(), model);
  const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
  const lines = [`curl -N ${new URL(path, location.href)}`, "-H 'Content-Type: application/json'"];
  if (service.key) lines.push('-H "Authorization: Bearer $SEODANG_API_KEY"');
  byId("curl").textContent = [...lines, `-d '${quoted}'`].join(" \\\n  ");
}

function setStatus(...content) {
  byId("status").replaceChildren(...content);
}

/** Return the first thing that is wrong with the request, as the name of a text and its field. */
function findFault(question) {
  if (!question.instruction) return ["instruction-missing", byId("instruction")];
  if (question.options && question.options.length < 2) return ["options-missing", byId("options")];
  const wrong = NUMBERS.map(byId).find((field) => !field.validity.valid);
  return wrong && !question.options ? ["option-wrong", wrong] : null;
}

async function submit() {
  if (state.running) return;
  if (!state.models.length) {
    connect(); // its outcome stands above the log
    return;
  }
  const question = readQuestion();
  const fault = findFault(question);
  for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  if (fault) {
    byId("settings").open ||= fault[0] === "option-wrong";
    fault[1].setAttribute("aria-invalid", "true");
    fault[1].focus();
    setStatus(say(fault[0]));
    return;
  }
  const models = [byId("model").value, byId("other").value].filter(Boolean);
  const bodies = models.map((model) => (question.options ? buildChoice(question, model) : buildChat(question, model)));
  start();
  const place = addQuestion(question, reuse);
  const turn = { ...question, answers: {} };
  const results = models.map((model, index) => ask(new Answer(place, model), bodies[index], turn, model));
  const ends = await Promise.all(results);
  if (!question.options && Object.keys(turn.answers).length) state.turns.push(turn);
  finish(ends.find((end) => end !== "complete") ?? "complete");
}

/** Ask one model and show its answer; return how it ended: a name of a text. */
async function ask(answer, body, turn, model) {
  const begin = performance.now();
  const { signal } = state.running;
  try {
    if (body.options) {
      const choice = await sendForJson("./choose", body, signal);
      answer.showChoice(choice, body.options, performance.now() - begin);
      return "complete";
    }
    await stream(answer, { ...body, stream_options: { include_usage: true } }, signal, begin);
    turn.answers[model] = answer.content;
    return "complete";
  } catch (error) {
    if (error.name === "AbortError") {
      answer.showStop();
      return "stopped";
    }
    const problem = toProblem(error);
    answer.showProblem(problem);
    if (problem.message.startsWith("key-")) askForKey(problem);
    return problem.message;
  } finally {
    answer.end();
  }
}

async function stream(answer, body, signal, begin) {
  let reason, tokens;
  for await (const chunk of readEvents(await send("./v1/chat/completions", body, signal))) {
    for (const choice of chunk.choices) {
      if (choice.delta.content) answer.add(choice.delta.content);
      reason = choice.finish_reason ?? reason;
    }
    tokens = chunk.usage?.completion_tokens ?? tokens;
  }
  answer.showFigures(tokens, performance.now() - begin, reason === "length");
}

function start() {
  state.running = new AbortController();
  log.setAttribute("aria-busy", "true");
  setStatus(say("answering"));
  const hadFocus = document.activeElement === byId("send");
  byId("send").hidden = true;
  byId("stop").hidden = false;
  if (hadFocus) byId("stop").focus();
}

function finish(end) {
  const hadFocus = [byId("stop"), document.body].includes(document.activeElement);
  state.running = null;
  log.removeAttribute("aria-busy");
  byId("send").hidden = false;
  byId("stop").hidden = true;
  byId("clear").hidden = false;
  if (end === "complete") byId("instruction").value = byId("input").value = "";
  if (hadFocus) byId("instruction").focus();
  setStatus(...(["complete", "stopped"].includes(end) ? [say(end)] : [])); // a problem stands in the log
  showCommand();
}

function reuse({ instruction, input, options }) {
  byId("instruction").value = instruction;
  byId("input").value = input;
  if (options) byId("options").value = options.join("\n");
  form.elements.mode.value = options ? "choose" : "answer";
  showMode();
  byId("instruction").focus();
}

function clearLog() {
  state.turns = [];
  for (const turn of log.querySelectorAll(".turn")) turn.remove();
  byId("welcome").hidden = false;
  byId("clear").hidden = true;
  setStatus();
  byId("instruction").focus();
  showCommand();
}

function showMode() {
  byId("options-field").hidden = !isChoosing();
  byId("history-field").hidden = isChoosing();
  showCommand();
}

/** Keys of the page. An Enter that ends the composition of a syllable belongs to the input method. */
function handleKey(event) {
  if (event.isComposing || event.keyCode === 229) return;
  const inForm = event.target.form === form;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form?.id !== "key-form") {
    event.preventDefault();
    submit();
  } else if (event.key === "Enter" && inForm && event.target.tagName === "INPUT") {
    event.preventDefault(); // a number is complete; the request may not be
  } else if (event.key === "Escape") {
    state.running?.abort();
  }
}

async function copyCommand() {
  try {
    await navigator.clipboard.writeText(byId("curl").textContent);
    setStatus(say("copied"));
  } catch {
    setStatus(say("not-copied"));
  }
}

function setUp() {
  setUpLanguage();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  document.addEventListener("keydown", handleKey);
  document.addEventListener("input", showCommand);
  for (const mode of form.elements.mode) mode.addEventListener("change", showMode);
  for (const example of document.querySelectorAll(".example")) {
    const { instruction, input, options } = example.dataset;
    example.addEventListener("click", () => reuse({ instruction, input, options: options ? options.split(", ") : null }));
  }
  byId("stop").addEventListener("click", () => state.running?.abort());
  byId("clear").addEventListener("click", clearLog);
  byId("copy").addEventListener("click", copyCommand);
  if (isWide.matches) byId("instruction").focus();
  else byId("settings").open = false;
  showMode();
  setUpConnection();
}

setUp();
