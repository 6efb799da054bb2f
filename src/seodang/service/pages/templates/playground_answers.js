// Questions and answers in the log.

const log = byId("log");

/** Keep the end of the log in view, unless the user has scrolled up to read. */
function follow(change) {
  const scroller = getComputedStyle(log).overflowY === "auto" ? log : document.scrollingElement;
  const isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  change();
  if (isAtEnd && scroller === log) log.scrollTop = log.scrollHeight;
}

/** Add a question to the log; return the place of its answers. */
function addQuestion(question, reuse) {
  const again = make("button", "plain", say("reuse"));
  again.type = "button";
  again.addEventListener("click", () => reuse(question));
  const texts = [question.instruction, question.input, question.options?.join(" · ")].filter(Boolean);
  const answers = make("div", "answers");
  const turn = make("article", "turn", make("div", "question", ...texts.map((text) => make("p", "", text)), again), answers);
  byId("welcome").hidden = true;
  log.append(turn);
  log.scrollTop = log.scrollHeight;
  turn.scrollIntoView({ block: "nearest" });
  return answers;
}

/** The answer of one model. */
class Answer {
  constructor(place, model) {
    this.text = make("p", "text");
    this.text.setAttribute("aria-busy", "true");
    this.section = make("section", "answer", make("h3", "", model), this.text);
    this.content = "";
    follow(() => place.append(this.section));
  }

  add(text) {
    this.content += text;
    follow(() => this.text.append(text));
  }

  end() {
    this.text.removeAttribute("aria-busy");
  }

  showFigures(tokens, milliseconds, isCut) {
    const seconds = (milliseconds / 1000).toFixed(2);
    const figures = make("p", "figures", say(tokens === undefined ? "time" : "figures", { tokens, seconds }));
    if (isCut) figures.append(" · ", say("cut"));
    if (!this.content) this.text.append(make("span", "faint", say("empty")));
    follow(() => this.section.append(figures));
  }

  showProblem(problem) {
    if (!this.content) this.text.remove();
    follow(() => this.section.append(make("p", "problem", say(problem.message, problem.values))));
  }

  showStop() {
    follow(() => this.section.append(make("p", "figures", say("stopped"))));
  }

  /** Show the probability of each option as a bar, the most likely one first. */
  showChoice({ option, probabilities }, options, milliseconds) {
    const list = make("ul", "bars");
    const sorted = [...options].sort((one, other) => probabilities[other] - probabilities[one]);
    for (const text of sorted) {
      const percent = `${(probabilities[text] * 100).toFixed(1)} %`;
      const share = make("span", "share");
      share.style.setProperty("--share", `${probabilities[text] * 100}%`);
      const bar = make("span", "track", share);
      list.append(make("li", text === option ? "best" : "", make("span", "name", text), bar, make("span", "number", percent)));
    }
    this.content = option;
    this.text.remove();
    follow(() => this.section.append(list));
    this.showFigures(undefined, milliseconds, false);
  }
}
