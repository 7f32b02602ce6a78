/** A check as JUnit XML: a suite for each scenario, a case for each variant. */
import type { CheckResult, VariantResult } from "../engine/check-result.js";
import { counterexampleLines } from "./counterexample.js";

/** What build servers show of a failure is text in one column of unknown width. */
const WIDTH = 140;

export function junitText({ results }: CheckResult): string {
  const names = [...new Set(results.map(({ scenario }) => scenario))];
  const suites = names.map((name) =>
    suiteText(
      name,
      results.filter(({ scenario }) => scenario === name),
    ),
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    element("testsuites", { name: "shootdown check", ...totals(results) }, suites),
    "",
  ].join("\n");
}

function suiteText(name: string, results: readonly VariantResult[]): string {
  return element("testsuite", { name, ...totals(results) }, results.map(caseText));
}

function totals(results: readonly VariantResult[]): Record<string, string> {
  const failures = results.filter(({ asExpected }) => !asExpected).length;
  const time = results.reduce((sum, { seconds }) => sum + seconds, 0);
  return { tests: String(results.length), failures: String(failures), errors: "0", time: time.toFixed(3) };
}

function caseText(result: VariantResult): string {
  const { scenario, variant, verdict, asExpected, expected, breaks, states, depth, seconds } = result;
  const properties = { verdict, expected, states, depth };
  const body = Object.entries(properties).map(([name, value]) =>
    element("property", { name, value: String(value) }),
  );
  const wanted = breaks === null ? expected : `${expected} (${breaks})`;
  const saw = result.invariant === null ? verdict : `${verdict} (${result.invariant})`;
  const failure = asExpected
    ? []
    : [
        element("failure", { message: `${saw}, expected ${wanted}`, type: verdict }, [
          escaped(storyOf(result)),
        ]),
      ];
  const attributes = { classname: scenario, name: variant, time: seconds.toFixed(3) };
  return element("testcase", attributes, [element("properties", {}, body), ...failure]);
}

function storyOf(result: VariantResult): string {
  const { found, reason, replay } = result;
  const lines = [
    ...(found === null ? [] : [found.text]),
    ...(reason === null ? [] : [reason]),
    ...counterexampleLines(result, { width: WIDTH, verbose: false }),
    ...(replay === null ? [] : [`shootdown check --replay '${replay}'`]),
  ];
  return lines.join("\n");
}

/** `children` are elements, or text that is escaped already. */
function element(
  name: string,
  attributes: Readonly<Record<string, string>>,
  children: readonly string[] = [],
): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
  const open = `<${name}${written.join("")}`;
  return children.length === 0 ? `${open}/>` : `${open}>\n${children.join("\n")}\n</${name}>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** XML 1.0 has no way to write most control characters, nor half of a surrogate pair. */
function escaped(text: string): string {
  return text
    .replace(/[^\P{Cc}\t\n\r]|\p{Cs}|[\ufffe\uffff]/gu, "?")
    .replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);
}
