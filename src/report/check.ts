/** What `shootdown check` prints: a line for each variant, counterexamples, and the sum. */

import type { Found, VariantResult } from "../engine/check-result.js";
import { counterexampleLines, type TraceView } from "./counterexample.js";
import { count, plural, seconds } from "./format.js";
import { type Paint, plain } from "./paint.js";
import { wrapped } from "./wrap.js";

export interface CheckView extends TraceView {
  /** Counterexamples of variants that are unsafe as expected, too. */
  readonly traces: boolean;
  /** The file of one's own that is checked. */
  readonly file?: string;
}

/** The question of a scenario, as a heading over its variants. */
export function scenarioLines(
  { name, question }: Pick<VariantResult, "question"> & { readonly name: string },
  view: CheckView,
  paint: Paint = plain,
): string[] {
  const [head, ...rest] = wrapped(`${name}: ${question}`, view.width, view.width - 2);
  return [paint("bold", head!), ...rest.map((line) => paint("bold", `  ${line}`))];
}

/** One variant. `nameWidth` is that of the longest name beside it. */
export function variantLines(
  result: VariantResult,
  nameWidth: number,
  view: CheckView,
  paint: Paint = plain,
): string[] {
  const name = result.variant.padEnd(nameWidth);
  const verdict = result.verdict.padEnd(7);
  const agrees = isOpen(result) ? "contradicts nothing" : "as expected";
  const says = result.asExpected ? agrees : paint("red", `EXPECTED ${expectation(result)}`);
  const facts = factsOf(result).join(", ");
  const head = `  ${name}  ${result.asExpected ? verdict : paint("red", verdict)}  ${says}`;
  const plainWidth =
    2 + nameWidth + 2 + 7 + 2 + (result.asExpected ? agrees.length : 9 + expectation(result).length);
  const indent = nameWidth + 4;
  const fits = plainWidth + 2 + facts.length <= view.width;
  const lines = fits
    ? [`${head}  ${facts}`]
    : [head, ...wrapped(facts, view.width - indent).map((line) => " ".repeat(indent) + line)];
  const reason =
    result.reason === null
      ? []
      : wrapped(result.reason, view.width - indent).map((line) => " ".repeat(indent) + line);
  const isShown = result.found !== null && (view.traces || !result.asExpected);
  return [...lines, ...reason, ...(isShown ? foundLines(result, view, paint) : [])];
}

/** One run that breaks nothing says neither that a variant is safe nor that it is not. */
function isOpen({ asExpected, verdict, expected }: VariantResult): boolean {
  return asExpected && verdict === "unknown" && expected !== "unknown";
}

function expectation({ expected, breaks }: VariantResult): string {
  return breaks === null ? expected : `${expected} (${breaks})`;
}

/** "stale-right, 1,234 states, depth 31, 2 of 2 windows, tso, 0.12 s". */
function factsOf(result: VariantResult): string[] {
  const { invariant, states, depth, windows, bounds } = result;
  const entered = windows.filter((window) => window.entered).length;
  return [
    ...(invariant === null ? [] : [invariant]),
    `${count(states)} state${states === 1 ? "" : "s"}`,
    `depth ${depth}`,
    ...(windows.length === 0 ? [] : [`${entered} of ${plural(windows.length, "window")}`]),
    bounds.model,
    ...(bounds.assist === "strict" ? [] : [`assist ${bounds.assist}`]),
    ...(bounds.preemptions === null ? [] : [`at most ${plural(bounds.preemptions, "preemption")}`]),
    ...(bounds.depth === null ? [] : [`at most ${plural(bounds.depth, "event")}`]),
    ...(bounds.pct === null ? [] : [`${plural(bounds.pct.runs, "random run")} from seed ${bounds.pct.seed}`]),
    ...(bounds.reduction || bounds.pct !== null ? [] : ["no reduction"]),
    ...(bounds.symmetry && bounds.pct === null ? ["identical CPUs as one"] : []),
    seconds(result.seconds),
  ];
}

function foundLines(result: VariantResult, view: CheckView, paint: Paint): string[] {
  const found = result.found!;
  const text = (line: string, indent = 2): string[] =>
    wrapped(line, view.width - indent, view.width - indent - 2).map(
      (part, at) => " ".repeat(indent + (at > 0 ? 2 : 0)) + part,
    );
  return [
    "",
    ...counterexampleLines(result, view, paint),
    "",
    ...text(`${found.invariant}: ${found.text}`).map((line) => paint("red", line)),
    ...whyLines(found).flatMap((line) => text(line)),
    ...(result.replay === null
      ? []
      : [
          `  play it again: shootdown check${view.file === undefined ? "" : ` --file ${view.file}`} --replay '${result.replay}'`,
        ]),
    "",
  ];
}

function whyLines({ made, broken, waits }: Found): string[] {
  return [
    ...(made === null
      ? []
      : [`made stale by:  ${made.routine}, step '${made.label}' (${made.file}:${made.line})`]),
    ...(broken === null
      ? []
      : [`flush missing:  before ${broken.routine}, step '${broken.label}' (${broken.file}:${broken.line})`]),
    ...waits.map(({ cpu, routine, label, file, line, word, holder }) => {
      const owner = holder === null ? "" : ` <- CPU ${holder}`;
      return `CPU ${cpu} -> ${word}${owner}: ${routine}, step '${label}' (${file}:${line})`;
    }),
  ];
}

/** "41 variants: 40 as expected, 1 differs." */
export function sumLine(results: readonly VariantResult[], asked: number): string {
  const differing = results.filter(({ asExpected }) => !asExpected).length;
  const open = results.filter(isOpen).length;
  const missing = asked - results.length;
  const parts = [
    ...(open === 0 ? [] : [`${count(open)} contradicted by nothing`]),
    ...(open > 0 && open === results.length
      ? []
      : [`${count(results.length - differing - open)} as expected`]),
    ...(differing === 0 ? [] : [`${count(differing)} ${differing === 1 ? "differs" : "differ"}`]),
    ...(missing === 0 ? [] : [`${count(missing)} not finished`]),
  ];
  return `${plural(asked, "variant")}: ${parts.join(", ")}.`;
}
