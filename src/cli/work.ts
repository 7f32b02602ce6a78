import type { Argv } from "yargs";
import type { WorkSpec } from "../engine/task.js";
import { list, once, pairs, type RawOptions } from "./options.js";

/** A workload is named, or a file of one, and its parameters follow as key=value, with or without --param. */
export function declareParams(yargs: Argv): Argv {
  return yargs
    .positional("workload", {
      type: "string",
      describe: "a built-in's name (see `shootdown list workloads`), or a YAML file",
    })
    .positional("params", { type: "string", array: true, describe: "key=value parameters of the workload" })
    .option("param", { type: "string", requiresArg: true, describe: "key=value, the same; may be repeated" });
}

/** Throws: UsageError for a parameter without "=" or given twice. Names are checked by the workload itself. */
export function workloadSpec(raw: RawOptions): WorkSpec {
  const params = pairs([...list(raw, "params"), ...list(raw, "param")], "a workload parameter", "key=value");
  return { kind: "workload", name: once(raw, "workload")!, params };
}
