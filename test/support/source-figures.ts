/** Lengths and counts of the sources, read from their syntax trees. */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type ts from "typescript";

// Compiled to dist/test/support/: the sources are three folders up.
const ROOT = join(fileURLToPath(import.meta.url), "../../../..");

export interface Measured {
  /** file:line */
  place: string;
  name: string;
  lines: number;
}

export interface SourceFigures {
  classes: (Measured & { fields: number })[];
  functions: Measured[];
  /** `x as T`, but for `as const` and for decoding: what comes from JSON, bytes or a foreign library is cast once there. */
  casts: string[];
}

export function figuresOf(folders: readonly string[], typescript: typeof ts): SourceFigures {
  const figures: SourceFigures = { classes: [], functions: [], casts: [] };
  for (const file of folders.flatMap(sourcesIn)) measure(file, typescript, figures);
  return figures;
}

function sourcesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) =>
      relative(ROOT, join(ROOT, folder, name))
        .split(sep)
        .join("/"),
    )
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts") && !file.includes("/generated/"))
    .sort();
}

function measure(file: string, typescript: typeof ts, figures: SourceFigures): void {
  const text = readFileSync(join(ROOT, file), "utf8");
  const source = typescript.createSourceFile(file, text, typescript.ScriptTarget.ESNext, true);
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line + 1;
  const measured = (node: ts.Node, name: string): Measured => {
    const first = lineOf(node.getStart());
    return { place: `${file}:${first}`, name, lines: lineOf(node.getEnd()) - first + 1 };
  };
  const visit = (node: ts.Node): void => {
    if (typescript.isClassLike(node))
      figures.classes.push({
        ...measured(node, node.name?.text ?? "class"),
        fields: fieldsOf(node, typescript),
      });
    else if (typescript.isFunctionLike(node) && "body" in node && node.body !== undefined) {
      const name = node.name === undefined ? "function" : node.name.getText();
      figures.functions.push(measured(node, name));
    } else if (
      typescript.isAsExpression(node) &&
      node.type.getText() !== "const" &&
      !decodes(node, typescript)
    )
      figures.casts.push(`${file}:${lineOf(node.getStart())}: ${node.getText().slice(0, 100)}`);
    typescript.forEachChild(node, visit);
  };
  visit(source);
}

/** Declared ones, and parameters of the constructor that are fields besides. */
function fieldsOf({ members }: ts.ClassLikeDeclaration, typescript: typeof ts): number {
  const declared = members.filter((member) => typescript.isPropertyDeclaration(member));
  const given = members
    .filter((member) => typescript.isConstructorDeclaration(member))
    .flatMap(({ parameters }) => parameters)
    .filter((parameter) => typescript.isParameterPropertyDeclaration(parameter, parameter.parent));
  return declared.length + given.length;
}

/** JSON.parse(…) as T, (await import(…)) as T, require(…) as T: somebody else's bytes get their type there. */
function decodes({ expression }: ts.AsExpression, typescript: typeof ts): boolean {
  let inner: ts.Expression = expression;
  while (typescript.isParenthesizedExpression(inner) || typescript.isAwaitExpression(inner))
    inner = inner.expression;
  if (!typescript.isCallExpression(inner)) return false;
  const called = inner.expression.getText();
  return (
    called === "JSON.parse" ||
    called === "require" ||
    inner.expression.kind === typescript.SyntaxKind.ImportKeyword
  );
}
