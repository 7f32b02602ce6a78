import type { CommandModule } from "yargs";
import { declareRunOptions, declareSeeds, type RawOptions, runOptions } from "./options.js";
import { declareParams, workloadSpec } from "./work.js";

/** The same work under several policies. */
export const compareCommand: CommandModule = {
  command: "compare <workload> [params..]",
  describe: "simulate one workload under several policies and compare them",
  builder: (yargs) =>
    declareSeeds(
      declareParams(declareRunOptions(yargs, "eager,deferred", "policies; the first is the baseline")),
    ),
  handler: async (raw: RawOptions) => {
    const options = runOptions(raw);
    const work = workloadSpec(raw);
    const { compareWork } = await import("./compare-work.js");
    await compareWork(work, options);
  },
};
