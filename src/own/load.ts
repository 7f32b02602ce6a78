/** Imports a file of one's own into this thread: its scenarios and its policies. */

import { register } from "node:module";
import { pathToFileURL } from "node:url";
import { isMainThread } from "node:worker_threads";
import { INVARIANTS } from "../dsl/case.js";
import { authorLine, shortPath } from "../dsl/where.js";
import { isPersonsError, nearestName, UsageError } from "../errors.js";
import { policyNames } from "../policy/policies.js";
import type { Policy } from "../policy/policy.js";
import type { Scenario } from "../scenario/scenario.js";
import { type OwnSummary, summaryOfScenario } from "./summary.js";

export interface OwnFile {
  readonly scenarios: readonly Scenario[];
  readonly policies: readonly Policy[];
}

let hooked = false;

/**
 * Runs the file's top level, in this thread and without a limit of time: src/own/open.ts has tried it before.
 *
 * Throws: UsageError saying file, line and what is wrong.
 */
export async function loadOwnFile(path: string): Promise<OwnFile> {
  if (!hooked) register("./hooks.js", import.meta.url);
  hooked = true;
  // src/own/open.ts has shown what it prints; from a worker thread it would get into the result.
  if (!isMainThread) process.stdout.write = () => true;
  let exported: Record<string, unknown>;
  try {
    exported = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    throw personsError(error, path);
  }
  return declarations(exported, shortPath(path));
}

/** Whatever the file's code threw, as one line with the place in the file. */
export function personsError(error: unknown, path: string): Error {
  if (isPersonsError(error)) return error;
  if (!(error instanceof Error)) return new UsageError(`${shortPath(path)}: it threw ${String(error)}`);
  const file = shortPath(path);
  const [message = ""] = error.message.split("\n");
  if (message.startsWith(`${file}:`)) return new UsageError(message);
  const kind = error.name === "Error" ? "" : `${error.name}: `;
  return new UsageError(`${placeInOwnFile(error, file)}: ${kind}${message}`);
}

/** The innermost line of the file that the stack names; the file alone when it names none. */
function placeInOwnFile(error: Error, file: string): string {
  for (const text of (error.stack ?? "").split("\n")) {
    const at = authorLine(text);
    if (at.line > 0 && at.file === file) return `${at.file}:${at.line}`;
  }
  return file;
}

export function summaryOf({ scenarios, policies }: OwnFile): OwnSummary {
  return {
    scenarios: scenarios.map(summaryOfScenario),
    policies: policies.map(({ name, title, slots }) => ({ name, title, slots })),
  };
}

function declarations(exported: Record<string, unknown>, file: string): OwnFile {
  const values = [...new Set(Object.values(exported))].filter(
    (value): value is Record<string, unknown> => typeof value === "object" && value !== null,
  );
  const scenarios = values.filter((value) => "variants" in value).map((value) => checkScenario(value, file));
  const policies = values
    .filter((value) => "slots" in value && "title" in value)
    .map((value) => value as unknown as Policy);
  if (scenarios.length + policies.length === 0)
    throw new UsageError(
      `${file}: it exports no scenario and no policy; export what scenario({...}) or policy({...}) gives (docs/write-a-scheme.md)`,
    );
  for (const { name } of policies) {
    if (policyNames.includes(name))
      throw new UsageError(`${file}: there is a built-in policy '${name}'; give yours a name of its own`);
  }
  refuseTwice(scenarios, "scenario", file);
  refuseTwice(policies, "policy", file);
  return { scenarios, policies };
}

function refuseTwice(list: readonly { readonly name: string }[], kind: string, file: string): void {
  const twice = list.find(({ name }, index) => list.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined)
    throw new UsageError(`${file}: two exports are the ${kind} '${twice.name}'; give each a name of its own`);
}

const SCENARIO_FIELDS = ["name", "question", "source", "variants"];
const VARIANT_FIELDS = ["title", "expected", "breaks", "bounds", "build"];
const BOUND_FIELDS = ["depth", "preemptions", "livelock", "pct", "model"];

/** What the compiler checks in TypeScript, and nobody in JavaScript. */
function checkScenario(value: Record<string, unknown>, file: string): Scenario {
  const name = typeof value.name === "string" ? value.name : "";
  const complain = (what: string): never => {
    throw new UsageError(`${file}: scenario '${name}' ${what}`);
  };
  if (!/^[\w.+-]+$/.test(name)) complain("needs a name of letters, digits and . + - _");
  onlyFields(value, SCENARIO_FIELDS, complain);
  if (typeof value.question !== "string") complain("needs a question, a text");
  const variants = Object.entries(Object(value.variants) as Record<string, unknown>);
  if (variants.length === 0) complain("has no variants");
  for (const [variant, declared] of variants) {
    const wrong = (what: string): never => complain(`variant '${variant}' ${what}`);
    if (!/^[\w.+-]+$/.test(variant)) wrong("needs a name of letters, digits and . + - _");
    const fields = Object(declared) as Record<string, unknown>;
    onlyFields(fields, VARIANT_FIELDS, wrong);
    onlyFields(Object(fields.bounds) as Record<string, unknown>, BOUND_FIELDS, wrong);
    if (typeof fields.title !== "string") wrong("needs a title, a text");
    if (!["unsafe", "safe", "unknown"].includes(String(fields.expected)))
      wrong(`needs expected: "unsafe", "safe" or "unknown"`);
    if (fields.breaks !== undefined && !INVARIANTS.includes(fields.breaks as never))
      wrong(`breaks one of ${INVARIANTS.join(", ")}; got '${String(fields.breaks)}'`);
    if (typeof fields.build !== "function") wrong("needs build: () => stage({...})");
  }
  return value as unknown as Scenario;
}

function onlyFields(value: object, known: readonly string[], complain: (what: string) => never): void {
  const unknown = Object.keys(value).find((field) => !known.includes(field));
  if (unknown === undefined) return;
  const near = nearestName(unknown, known);
  complain(
    `has an unknown field '${unknown}';${near === undefined ? "" : ` did you mean '${near}'?`} known: ${known.join(", ")}`,
  );
}
