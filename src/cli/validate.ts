import type { CommandModule } from "yargs";
import { flag, jsonTarget, once, type RawOptions } from "./options.js";

/** Published measurements, simulated: a table with errors and tolerances. */
export const validateCommand: CommandModule = {
  command: "validate",
  describe: "simulate published measurements and compare; exit code 1 if one is missed",
  builder: (yargs) =>
    yargs
      .option("json", {
        type: "string",
        requiresArg: true,
        describe: "write the rows as JSON to FILE, or to stdout with -",
      })
      .option("quiet", { type: "boolean", describe: "print no table", default: false })
      .option("no-color", { type: "boolean", describe: "no colours, whatever the terminal", default: false }),
  handler: async (raw: RawOptions) => {
    const options = {
      json: jsonTarget(once(raw, "json")),
      quiet: flag(raw, "quiet"),
      color: !flag(raw, "no-color"),
    };
    const { validateWork } = await import("./validate-work.js");
    await validateWork(options);
  },
};
