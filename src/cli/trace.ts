import type { CommandModule } from "yargs";
import { nearestName, UsageError } from "../errors.js";
import { flag, list, once, type RawOptions, wholeNumber } from "./options.js";
import { formatName } from "./replay.js";

const actions = ["pack", "info", "head"] as const;
type Action = (typeof actions)[number];

/** Options that one action takes and the others do not. */
const ownerOf: Readonly<Record<string, Action>> = {
  output: "pack",
  number: "head",
  verify: "info",
  json: "info",
};

const rowsDefault = 10;
const rowsMax = 1_000_000_000;

/** What is done with recordings as files. */
export const traceCommand: CommandModule = {
  command: "trace <action> <traces..>",
  describe: "pack a recorded trace, or say what one holds: pack, info, head",
  builder: (yargs) =>
    yargs
      .positional("action", {
        type: "string",
        describe:
          "pack into the packed format (-o FILE), info on what a trace holds, or head: its first events",
      })
      .positional("traces", { type: "string", array: true, describe: "trace files, of one recording" })
      .option("output", {
        alias: "o",
        type: "string",
        requiresArg: true,
        describe: "pack: the file to write",
      })
      .option("number", {
        ...{ alias: "n", type: "string", requiresArg: true },
        describe: `head: events to print (default: ${rowsDefault})`,
      })
      .option("verify", {
        ...{ type: "boolean", default: false },
        describe: "info: read all of a packed trace too, and compare checksums and counts",
      })
      .option("format", {
        type: "string",
        requiresArg: true,
        describe: "format of the trace (see `shootdown list formats`)",
      })
      .option("lenient", { type: "boolean", default: false, describe: "skip what cannot be read" })
      .option("json", {
        type: "string",
        requiresArg: true,
        describe: "info: write JSON to FILE, or to stdout with -",
      }),
  handler: async (raw: RawOptions) => {
    const action = actionOf(once(raw, "action")!);
    const number = wholeNumber(raw, "number", 0, rowsMax) ?? rowsDefault;
    const [output, json] = [once(raw, "output"), once(raw, "json")];
    if (action === "pack" && (output ?? "") === "")
      throw new UsageError("trace pack needs -o FILE to write to");
    for (const [name, its] of Object.entries(ownerOf)) {
      const isGiven = raw[name] !== undefined && raw[name] !== false;
      if (isGiven && its !== action) throw new UsageError(`--${name} goes with trace ${its}; got ${action}`);
    }
    const format = await formatName(raw);
    const options = { lenient: flag(raw, "lenient"), ...(format !== undefined && { format }) };
    const files = list(raw, "traces");
    const work = await import("./trace-work.js");
    if (action === "pack") return work.pack(files, output!, options);
    if (action === "head") return work.head(files, number, options);
    return work.info(files, { json, verify: flag(raw, "verify") }, options);
  },
};

function actionOf(text: string): Action {
  const action = actions.find((each) => each === text);
  if (action !== undefined) return action;
  const near = nearestName(text, actions);
  const hint = near === undefined ? "" : ` did you mean '${near}'?`;
  throw new UsageError(`trace takes one of ${actions.join(", ")}, and files; got '${text}';${hint}`);
}
