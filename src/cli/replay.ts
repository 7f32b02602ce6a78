import type { CommandModule } from "yargs";
import type { WorkSpec } from "../engine/task.js";
import {
  declareRunOptions,
  declareSeeds,
  flag,
  list,
  once,
  type RawOptions,
  runOptions,
  wholeNumber,
} from "./options.js";

const replicateMax = 1024;
const touchMax = 1_000_000;

/** Recorded traces under several policies. */
export const replayCommand: CommandModule = {
  command: "replay <traces..>",
  describe: "compare policies on recorded traces (.gz, .zst and .xz too; each file is a process)",
  builder: (yargs) =>
    declareSeeds(declareRunOptions(yargs, "eager,deferred", "policies; the first is the baseline"))
      .positional("traces", {
        type: "string",
        array: true,
        describe: "trace files (see `shootdown list formats`)",
      })
      .option("replicate", {
        type: "string",
        requiresArg: true,
        default: "1",
        describe: `copies of the recorded process to run side by side, 1 to ${replicateMax}`,
      })
      .option("touch", {
        type: "string",
        requiresArg: true,
        describe: "pages touched per mapping call of a trace without accesses, or all (default: 64)",
      })
      .option("lenient", { type: "boolean", default: false, describe: "skip lines that cannot be read" }),
  handler: async (raw: RawOptions) => {
    const options = runOptions(raw);
    const touch = once(raw, "touch") === "all" ? "all" : wholeNumber(raw, "touch", 0, touchMax);
    const work: WorkSpec = {
      kind: "trace",
      files: list(raw, "traces"),
      lenient: flag(raw, "lenient"),
      replicate: wholeNumber(raw, "replicate", 1, replicateMax)!,
      ...(touch !== undefined && { touch }),
    };
    const { compareWork } = await import("./compare-work.js");
    await compareWork(work, options);
  },
};
