/** Builds HTML so that text cannot become markup by mistake: every value put into a template is escaped. */

/** Markup that is known to be safe. Only `html` and `trusted` make it. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

type Value = Html | string | number | undefined | readonly Value[];

/** A template whose values are escaped, unless they are Html themselves; lists are joined, undefined is nothing. */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  const text = parts.map((part, i) => part + (i < values.length ? markupOf(values[i]) : "")).join("");
  return new Html(text);
}

/** Markup made by this program itself, for example a plot. Never for anything that came from outside. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

function markupOf(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.markup;
  if (typeof value === "object") return value.map(markupOf).join("");
  return escapeHtml(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Safe between tags and inside quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
