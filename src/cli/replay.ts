import type { CommandModule } from "yargs";
import type { WorkSpec } from "../engine/task.js";
import { unknownName } from "../errors.js";
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
const processesMax = 1024;
const touchMax = 1_000_000;

/** Recorded traces under several policies. */
export const replayCommand: CommandModule = {
  command: "replay <traces..>",
  describe: "compare policies on recorded traces (packed ones too; each file is a process)",
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
        describe: `copies of the recorded threads to run side by side in one address space, 1 to ${replicateMax}`,
      })
      .option("processes", {
        type: "string",
        requiresArg: true,
        default: "1",
        describe: `processes that run the trace at once, each in an address space of its own, 1 to ${processesMax}`,
      })
      .option("touch", {
        type: "string",
        requiresArg: true,
        describe: "pages touched per mapping call of a trace without accesses, or all (default: 64)",
      })
      .option("format", {
        type: "string",
        requiresArg: true,
        describe: "format of all traces, whatever they look like (see `shootdown list formats`)",
      })
      .option("lenient", { type: "boolean", default: false, describe: "skip lines that cannot be read" }),
  handler: async (raw: RawOptions) => {
    const options = runOptions(raw);
    const touch = once(raw, "touch") === "all" ? "all" : wholeNumber(raw, "touch", 0, touchMax);
    const format = await formatName(raw);
    const work: WorkSpec = {
      kind: "trace",
      files: list(raw, "traces"),
      lenient: flag(raw, "lenient"),
      replicate: wholeNumber(raw, "replicate", 1, replicateMax)!,
      processes: wholeNumber(raw, "processes", 1, processesMax)!,
      ...(touch !== undefined && { touch }),
      ...(format !== undefined && { format }),
    };
    const { compareWork } = await import("./compare-work.js");
    await compareWork(work, options);
  },
};

/** The value of --format, if it was given. Throws: UsageError for a name that is none. */
export async function formatName(raw: RawOptions): Promise<string | undefined> {
  const name = once(raw, "format");
  if (name === undefined) return undefined;
  const { formats } = await import("../trace/known-formats.js");
  const names = formats.map((format) => format.name);
  if (!names.includes(name)) throw unknownName("format", name, names);
  return name;
}
