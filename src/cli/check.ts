import type { Argv, CommandModule } from "yargs";
import { checkOptions } from "./check-options.js";
import type { RawOptions } from "./options.js";

/** The adversary. */
export const checkCommand: CommandModule = {
  command: "check [scenarios..]",
  describe: "look for an order of events in which a stale translation is used",
  builder: declareCheckOptions,
  handler: async (raw: RawOptions) => {
    const options = checkOptions(raw);
    const { checkWork } = await import("./check-work.js");
    await checkWork(options);
  },
};

/** Values are checked by checkOptions, not by yargs. */
function declareCheckOptions(yargs: Argv): Argv {
  const text = { type: "string", requiresArg: true } as const;
  return yargs
    .positional("scenarios", {
      type: "string",
      array: true,
      describe: "names, or patterns such as 'B*' (see `shootdown list scenarios`); all unless said",
    })
    .option("variant", { ...text, describe: "only the variants of this name or pattern" })
    .option("file", {
      ...text,
      describe: "a module of your own (.ts or .js) in place of the built-in scenarios",
    })
    .option("model", { ...text, describe: "memory model: sc, tso, weak" })
    .option("assist", { ...text, describe: "how the hardware sets a D bit: strict, legacy, knl" })
    .option("depth", { ...text, describe: "most events in a row" })
    .option("preemptions", { ...text, describe: "most switches away from a CPU that could have gone on" })
    .option("max-states", { ...text, describe: "most states to store for one variant" })
    .option("memory", { ...text, describe: "most MiB of stored states for one variant", default: "768" })
    .option("seconds", { ...text, describe: "most seconds for one variant" })
    .option("no-reduction", {
      type: "boolean",
      describe: "explore every order, equivalent ones too, and every numbering of identical CPUs",
      default: false,
    })
    .option("symmetry", {
      type: "boolean",
      describe: "take states for one that differ in the numbers of identical CPUs, and leave no order out",
      default: false,
    })
    .option("pct", { ...text, describe: "this many runs with random priorities in place of a search" })
    .option("seed", { ...text, describe: "seed of those runs", default: "1" })
    .option("replay", { ...text, describe: "play one run, as a counterexample names it" })
    .option("threads", {
      ...text,
      describe: "variants searched side by side (default: what this host can do)",
    })
    .option("json", { ...text, describe: "write the result as JSON to FILE, or to stdout with -" })
    .option("junit", { ...text, describe: "write the result as JUnit XML to FILE" })
    .option("sarif", { ...text, describe: "write the violations as SARIF 2.1.0 to FILE" })
    .option("progress", { ...text, describe: "on stderr: auto, plain, json, none", default: "auto" })
    .option("traces", {
      type: "boolean",
      describe: "print every counterexample, expected or not",
      default: false,
    })
    .option("verbose", { type: "boolean", describe: "the same, with every step of it", default: false })
    .option("quiet", { type: "boolean", describe: "print no text and no progress", default: false })
    .option("no-color", { type: "boolean", describe: "no colours, whatever the terminal", default: false });
}
