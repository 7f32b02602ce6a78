import type { CommandModule } from "yargs";
import { UsageError } from "../errors.js";
import { declareRunOptions, type RawOptions, runOptions } from "./options.js";
import { declareParams, workloadSpec } from "./work.js";

/** One simulation and its summary. */
export const runCommand: CommandModule = {
  command: "run <workload> [params..]",
  describe: "simulate one workload under one policy and summarise it",
  builder: (yargs) => declareParams(declareRunOptions(yargs, "deferred", "a policy")),
  handler: async (raw: RawOptions) => {
    const options = runOptions(raw);
    if (options.policies.length > 1) throw new UsageError("run takes one --policy; compare takes several");
    const work = workloadSpec(raw);
    const { runWork } = await import("./run-work.js");
    await runWork(work, options);
  },
};
