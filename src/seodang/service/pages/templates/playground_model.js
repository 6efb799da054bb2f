// The served models, their lineage, and the key of the service.

function addFact(list, name, ...content) {
  const shown = content.filter((part) => part !== null && part !== undefined && part !== "");
  if (shown.length) list.append(make("div", "", make("dt", "", say(name)), make("dd", "", ...shown)));
}

const makeVerdict = (verdict) => (TEXTS.has(verdict) ? make("span", `verdict ${verdict}`, say(verdict)) : verdict);

/** Return the data that the model has learned from; a source without a licence that no notice names has given no record. */
function listSources({ sources, terms }) {
  return (sources ?? []).filter(({ licence }) => (licence && licence !== "unknown") || terms?.unknown?.length);
}

const listLicences = (lineage) => [...new Set([lineage.base, ...listSources(lineage)].map((part) => part?.licence).filter(Boolean))];

function addNotice(name, licences) {
  if (licences) byId("notices").append(make("p", "notice", say(name, { licences })));
}

/** Show what stands behind the answers of a model: GET /lineage, which may lack any part. */
function showLineage(lineage, model) {
  const facts = byId("facts"), origin = byId("origin");
  const { verdict, base, terms } = lineage;
  for (const list of [facts, origin, byId("notices"), byId("reasons")]) list.replaceChildren();
  addFact(facts, "verdict", verdict?.verdict ? makeVerdict(verdict.verdict) : say("no-verdict"));
  addFact(facts, "base", base?.name);
  addFact(facts, "licence", listLicences(lineage).join(", "));
  addFact(facts, "context", model.max_model_len && say("tokens", { tokens: model.max_model_len }));
  addNotice("non-commercial", terms?.non_commercial?.join(", "));
  addNotice("share-alike", terms?.share_alike?.join(", "));
  addNotice("unknown", terms?.unknown?.length);
  addFact(origin, "bento", lineage.bento && make("code", "", lineage.bento));
  addFact(origin, "format", lineage.prompt?.format);
  addFact(origin, "sources", listSources(lineage).map((source) => `${source.name} (${source.licence || "?"})`).join(", "));
  addFact(origin, "commit", lineage.git_commit && make("code", "", lineage.git_commit.slice(0, 12)));
  addFact(origin, "fingerprint", lineage.fingerprint && make("code", "", lineage.fingerprint.slice(0, 12)));
  for (const reason of verdict?.reasons ?? []) {
    const parts = ["en", "ko"].map((language) => {
      const part = make("span", "", reason[language] ?? "");
      part.lang = language;
      return part;
    });
    byId("reasons").append(make("li", "", ...parts));
  }
}

async function selectModel() {
  const model = state.models.find(({ id }) => id === byId("model").value);
  const query = model === state.models[0] ? "" : `?model=${encodeURIComponent(model.id)}`;
  byId("tag").textContent = model.id;
  byId("lineage-link").href = `./lineage${query}`;
  const lineage = await sendForJson(`./lineage${query}`);
  showLineage(lineage, model);
  byId("history").checked = lineage.prompt?.format === "chat"; // other formats are tuned on single questions
  showCommand();
}

function showModels(models) {
  state.models = models;
  const options = models.map(({ id }) => new Option(id, id));
  const none = new Option("", "");
  none.dataset.text = "none";
  byId("model").replaceChildren(...options);
  byId("other").replaceChildren(none, ...options.map((option) => option.cloneNode(true)));
  byId("other").value = (models.find(({ id }) => id.startsWith("base:")) ?? models[1])?.id ?? "";
  byId("model-choice").hidden = models.length < 2;
  byId("tag").hidden = models.length > 1; // the choice names it
  byId("alone").hidden = models.length > 1;
  applyLanguage();
}

function showConnection(problem) {
  const box = byId("connection");
  const isKey = problem?.message.startsWith("key-") ?? false;
  box.hidden = !problem;
  byId("key-form").hidden = !isKey;
  byId("retry").hidden = isKey;
  byId("connection-text").replaceChildren(...(problem ? [say(problem.message, problem.values)] : []));
  byId("forget").hidden = !service.key;
  // A link cannot send the key.
  for (const link of [byId("home"), byId("lineage-link")]) link.parentElement.hidden = Boolean(service.key) || isKey;
}

function askForKey(problem) {
  showConnection(problem);
  byId("key").value = "";
  byId("key").focus();
}

async function connect() {
  try {
    showModels((await sendForJson("./v1/models")).data);
    await selectModel();
    showConnection(null);
  } catch (error) {
    const problem = toProblem(error);
    if (problem.message.startsWith("key-")) askForKey(problem);
    else showConnection(problem);
  }
}

function setKey(key) {
  service.key = key;
  keep("sessionStorage", "seodang-key", key);
}

function setUpConnection() {
  byId("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    setKey(byId("key").value.trim());
    await connect();
    if (byId("connection").hidden) byId("instruction").focus();
  });
  byId("retry").addEventListener("click", connect);
  byId("forget").addEventListener("click", () => {
    setKey(null);
    connect();
  });
  byId("model").addEventListener("change", () => selectModel().catch((error) => showConnection(toProblem(error))));
  connect();
}
