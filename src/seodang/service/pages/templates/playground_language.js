// Texts in both languages: the style sheet hides the one that is not chosen.

const byId = (id) => document.getElementById(id);
const TEXTS = new Map([...document.querySelectorAll("#messages > [data-name]")].map((text) => [text.dataset.name, text]));

/** Return nodes with a text in both languages; values are text, never markup. */
function say(name, values = {}) {
  const fragment = document.createDocumentFragment();
  for (const source of TEXTS.get(name).children) {
    const part = source.cloneNode(true);
    part.textContent = part.textContent.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
    fragment.append(part);
  }
  return fragment;
}

/** Return an element with text or nodes in it. */
function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

/** Keep a value under a name in a storage of the browser, which may be switched off; null removes it. */
function keep(storage, name, value) {
  try {
    if (value === null) window[storage].removeItem(name);
    else window[storage].setItem(name, value);
  } catch { /* the page works without it */ }
}

function recall(storage, name) {
  try {
    return window[storage].getItem(name);
  } catch {
    return null;
  }
}

const languages = [...document.querySelectorAll("input[name='language']")];

function applyLanguage() {
  const chosen = languages.find((input) => input.checked).id.slice(-2);
  document.documentElement.lang = chosen;
  for (const option of document.querySelectorAll("option[data-text]")) {
    option.textContent = TEXTS.get(option.dataset.text).querySelector(`[lang="${chosen}"]`).textContent;
  }
}

function setUpLanguage() {
  const wanted = recall("localStorage", "seodang-language") ?? navigator.language.slice(0, 2);
  for (const input of languages) {
    if (input.id === `language-${wanted}`) input.checked = true;
    input.addEventListener("change", () => {
      keep("localStorage", "seodang-language", input.id.slice(-2));
      applyLanguage();
    });
  }
  applyLanguage();
}
