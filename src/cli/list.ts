import type { CommandModule } from "yargs";
import { UsageError, unknownName } from "../errors.js";
import { once, type RawOptions } from "./options.js";

/** A name and what it is, in one line. */
type Entry = readonly [name: string, ...columns: string[]];

/** Loaded one by one, when asked for. */
const kinds: Readonly<Record<string, () => Promise<readonly Entry[]>>> = {
  policies: async () => {
    const { policies } = await import("../policy/policies.js");
    return policies.map(({ name, title }) => [name, title]);
  },
  slots: async () => {
    const { slots } = await import("../policy/slots.js");
    return Object.entries(slots).map(([name, { title, variants }]) => {
      const names = Object.keys(variants);
      return [name, title, names.length === 0 ? "(no choice in this version)" : names.join(", ")];
    });
  },
  variants: async () => {
    const { slots } = await import("../policy/slots.js");
    return Object.entries(slots).flatMap(([slot, { variants }]) =>
      Object.entries(variants).map(([variant, { title }]): Entry => [`${slot}=${variant}`, title]),
    );
  },
  machines: async () => {
    const { machines } = await import("../machine/presets.js");
    return machines.map(({ name, title }) => [name, title]);
  },
  workloads: async () => {
    const { builtins } = await import("../workload/builtins.js");
    return builtins.map(({ name, about }) => [name, about]);
  },
  parameters: async () => {
    const { builtins } = await import("../workload/builtins.js");
    return builtins.flatMap((builtin) =>
      builtin.parameters.map(({ name, unit, default: value, about }): Entry => {
        return [`${builtin.name} ${name}=${value}`, `${about} (${unit})`];
      }),
    );
  },
  scenarios: async () => {
    const { scenarioNamed, scenarioNames } = await import("../scenario/all.js");
    const all = await Promise.all(scenarioNames().map(scenarioNamed));
    return all.map(({ name, question, variants }) => {
      const verdicts = Object.entries(variants).map(([variant, { expected }]) => `${variant}: ${expected}`);
      return [name, `${question} ${verdicts.join(", ")}`];
    });
  },
  formats: async () => {
    const { formats } = await import("../trace/known-formats.js");
    return formats.map(({ name, about }) => [name, about]);
  },
};

/** What can be named on the command line. */
export const listCommand: CommandModule = {
  command: "list [kind] [name]",
  describe: `what there is: ${Object.keys(kinds).join(", ")}`,
  builder: (yargs) =>
    yargs
      .positional("kind", { type: "string", describe: `one of ${Object.keys(kinds).join(", ")}` })
      .positional("name", {
        type: "string",
        describe: "of a workload: what it stands for, and its parameters",
      }),
  handler: list,
};

async function list(raw: RawOptions): Promise<void> {
  const [{ tableLines }, { printLines }] = await Promise.all([
    import("../report/table.js"),
    import("./deliver.js"),
  ]);
  const asked = once(raw, "kind");
  const name = once(raw, "name");
  if (asked !== undefined && kinds[asked] === undefined) throw unknownName("kind", asked, Object.keys(kinds));
  if (name !== undefined) {
    if (asked !== "workloads") throw new UsageError(`list ${asked} takes no name; got '${name}'`);
    printLines((await import("./list-workload.js")).workloadLines(name));
    return;
  }
  if (asked !== undefined) {
    printLines(tableLines({ rows: await kinds[asked]!(), isText: true }));
    return;
  }
  for (const [index, kind] of Object.keys(kinds).entries()) {
    const lines = tableLines({ rows: await kinds[kind]!(), isText: true });
    printLines([...(index > 0 ? [""] : []), `${kind}:`, ...lines.map((line) => `  ${line}`)]);
  }
}
