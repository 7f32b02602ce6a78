import { formatChoices, parseReplay } from "../dsl/choices.js";
import type { CheckTask } from "../engine/check-task.js";
import { UsageError, unknownName } from "../errors.js";
import type { ScenarioSummary } from "../own/summary.js";
import { summaryOfScenario } from "../own/summary.js";
import { scenarioNamed, scenarioNames } from "../scenario/all.js";
import type { CheckOptions } from "./check-options.js";

export interface Selection {
  readonly scenarios: readonly ScenarioSummary[];
  /** Scenario by scenario, variants in their order. */
  readonly tasks: readonly CheckTask[];
}

/** What is to be searched. Throws: UsageError for a name or a pattern that matches nothing, and for what is wrong with a file. */
export async function select(options: CheckOptions): Promise<Selection> {
  const { limits, file: given } = options;
  const own = given === undefined ? undefined : await (await import("../own/open.js")).openOwnFile(given);
  if (own !== undefined && own.scenarios.length === 0)
    throw new UsageError(
      `${given}: it exports no scenario to check; export what scenario({...}) gives (docs/write-a-scheme.md)`,
    );
  const replay = options.replay === undefined ? undefined : parseReplay(options.replay);
  const patterns = replay === undefined ? options.scenarios : [replay.scenario];
  const known = own === undefined ? scenarioNames() : own.scenarios.map(({ name }) => name);
  const names = matching("scenario", patterns, known);
  const scenarios = await Promise.all(
    names.map(
      async (name) =>
        own?.scenarios.find((one) => one.name === name) ?? summaryOfScenario(await scenarioNamed(name)),
    ),
  );
  const wanted = replay?.variant ?? options.variant;
  const chosen = withVariants(scenarios, wanted);
  const file = own === undefined ? {} : { file: own.path };
  const choices = replay === undefined ? {} : { choices: formatChoices(replay.choices) };
  return {
    scenarios: chosen,
    tasks: chosen.flatMap(({ name, variants }) =>
      variants.map((variant) => ({ ...file, scenario: name, variant: variant.name, limits, ...choices })),
    ),
  };
}

/** The scenarios with only the variants that match; those without any are left out. */
function withVariants(scenarios: readonly ScenarioSummary[], pattern: string | undefined): ScenarioSummary[] {
  if (pattern === undefined) return [...scenarios];
  const all = scenarios.flatMap(({ variants }) => variants.map(({ name }) => name));
  const names = matching("variant", [pattern], [...new Set(all)]);
  return scenarios
    .map((one) => ({ ...one, variants: one.variants.filter(({ name }) => names.includes(name)) }))
    .filter(({ variants }) => variants.length > 0);
}

/** The known names that one of the patterns matches, in the order of `known`; all of them when there is no pattern. */
function matching(kind: string, patterns: readonly string[], known: readonly string[]): string[] {
  if (patterns.length === 0) return [...known];
  const found = new Set<string>();
  for (const pattern of patterns) {
    const own = known.filter((name) => expression(pattern).test(name));
    if (own.length === 0 && !/[*?]/.test(pattern)) throw unknownName(kind, pattern, known);
    if (own.length === 0) throw new UsageError(`no ${kind} matches '${pattern}'; known: ${known.join(", ")}`);
    for (const name of own) found.add(name);
  }
  return known.filter((name) => found.has(name));
}

/** A shell pattern: * for any text, ? for one character. */
function expression(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`);
}
