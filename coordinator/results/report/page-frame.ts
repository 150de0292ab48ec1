/** The frame around every page: head, navigation, sections, foot. Nothing in it is loaded, nothing runs. */
import { NOT_MEASURED } from "./data.js";
import { html, trusted } from "./html.js";
import type { Html } from "./html.js";
import { PAGE_STYLE } from "./page-style.js";

export interface Section {
  id: string;
  title: string;
  body: Html;
}

interface Page {
  title: string;
  /** Below the title. */
  lead: Html;
  /** Below the navigation, before the sections. */
  overview?: Html | undefined;
  sections: readonly Section[];
  footer: Html;
  /** CSS beyond the look of all pages. */
  style?: string;
}

/** The policy repeats what the page promises. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** The whole page: self-contained, readable without scripts, in light and dark, on a phone and on paper. */
export function framed({ title, lead, overview, sections, footer, style = "" }: Page): string {
  const page = html`<!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>
          ${trusted(PAGE_STYLE + style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          ${lead}
          <nav aria-label="Sections">
            <ul>
              ${sections.map((section) => html`<li><a href="#${section.id}">${section.title}</a></li>`)}
            </ul>
          </nav>
        </header>
        <main>
          ${overview}
          ${sections.map(
            (section) =>
              html`<section aria-labelledby="${section.id}">
                <h2 id="${section.id}">${section.title}</h2>
                ${section.body}
              </section> `,
          )}
        </main>
        <footer class="muted">${footer}</footer>
      </body>
    </html> `;
  return `${page.markup.trim()}\n`;
}

/** A table that scrolls by itself where the page is narrower; `label` names it for readers who do not see it. */
export function scrolling(label: string, table: Html): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${label}">${table}</div>`;
}

/** Names and values, as in an environment. */
export function plainTable(title: string, note: string, values: Readonly<Record<string, string>>): Html {
  return scrolling(
    title,
    html`<table class="plain">
      <caption>
        <span><strong>${title}</strong> ${note}</span>
      </caption>
      <tbody>
        ${Object.entries(values).map(
          ([name, value]) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${value}</td>
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
}

/** A plain sentence where a whole section has nothing to show. */
export function nothing(what: string): Html {
  return html`<p><em class="missing">${NOT_MEASURED}</em>: ${what}</p>`;
}
