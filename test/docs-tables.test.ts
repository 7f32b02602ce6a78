/**
 * Tables, drawings and quotations of the documentation, each compared with the code that it tells about. UPDATE_GOLDEN=1
 * rewrites the drawing.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OPS } from "../src/dsl/isa.js";
import { listing } from "../src/dsl/listing.js";
import { MUTANTS } from "../src/kernel/options.js";
import { kernelProgram } from "../src/kernel/program.js";
import { priceNames } from "../src/machine/preset.js";
import { sources } from "../src/machine/sources.js";
import { policies, resolveSlots } from "../src/policy/policies.js";
import { slots } from "../src/policy/slots.js";
import { fencesOf, markdownFiles, namesInTable, replaceFence, root, tableRows, textOf } from "./docs-text.js";

const architecture = "docs/architecture.md";
const mechanisms = "docs/mechanisms.md";
const modelling = "docs/modelling.md";
const json = "docs/json.md";
const fences = markdownFiles.flatMap(fencesOf);
const deferred = kernelProgram(resolveSlots("deferred", {}), { cpus: 4, radixBits: 9 });

describe(architecture, () => {
  test("lists exactly the micro-ops", () => {
    expect(namesInTable(architecture, "ops")).toEqual(Object.keys(OPS));
  });

  test("prices steps by prices that exist", () => {
    const named = tableRows(architecture, "ops")
      .filter((row) => row.length === 5)
      .flatMap((row) => [...row[4]!.matchAll(/`(\w+)`/g)].map((match) => match[1]!));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !(priceNames as readonly string[]).includes(name))).toEqual([]);
  });

  test("draws the memory as assembly/layout.ts does", () => {
    const drawn = /once\. [^\n]*\n \*\n([\s\S]*?)\n \*\n \* Slots of/.exec(textOf("assembly/layout.ts"))![1]!;
    const map = drawn.replace(/^ \* {0,3}/gm, "");
    const fence = fences.find(({ info }) => info === "text memory map")!;
    if (process.env.UPDATE_GOLDEN === "1") replaceFence(fence, map);
    else expect(fence.text).toBe(map);
  });
});

describe(modelling, () => {
  test("says what each price covers", () => {
    expect(namesInTable(modelling, "prices")).toEqual([...priceNames]);
  });

  test("lists the sources of the presets", () => {
    expect(namesInTable(modelling, "sources")).toEqual(Object.keys(sources));
  });
});

describe(mechanisms, () => {
  test("lists exactly the entries, with their arguments", () => {
    const rows = tableRows(mechanisms, "entries").map(([name, args]) => `${name} ${args}`.trim());
    expect(rows).toEqual(deferred.entries.map(({ name, args }) => `\`${name}\` ${args.join(", ")}`.trim()));
  });

  test("lists exactly the slots and their variants", () => {
    const rows = tableRows(mechanisms, "slots").map(([name, , variants]) => {
      const named = variants!.split(/`; |`: [^`]*|`/).filter((part) => /^[\w-]+$/.test(part));
      return [name!.replaceAll("`", ""), named];
    });
    expect(rows).toEqual(Object.entries(slots).map(([name, { variants }]) => [name, Object.keys(variants)]));
  });

  test("lists exactly the policies", () => {
    const rows = tableRows(mechanisms, "policies").map((row) => row.map((cell) => cell.replaceAll("`", "")));
    const columns = ["shootdown", "unmap", "protect", "need-flush", "pending", "reclaim"] as const;
    expect(rows).toEqual(
      policies.map((policy) => [policy.name, ...columns.map((slot) => policy.slots[slot])]),
    );
  });

  test("lists exactly the files of the kernel", () => {
    expect(namesInTable(mechanisms, "files").sort()).toEqual(readdirSync(join(root, "src/kernel")).sort());
  });

  test("lists exactly the rules that a build can break", () => {
    expect(tableRows(mechanisms, "mutants")).toEqual(
      Object.entries(MUTANTS).map(([name, what]) => [`\`${name}\``, what]),
    );
  });
});

describe("quotations", () => {
  const quoted = fences.filter(({ info }) => info.startsWith("ts source "));
  test.each(quoted.map((fence) => [fence.info.split(" ")[2]!, fence.text] as const))(
    "of %s",
    (file, text) => {
      expect(textOf(file)).toContain(text);
    },
  );

  const listed = fences.filter(({ info }) => info.startsWith("text listing "));
  test.each(listed.map((fence) => [fence.info.split(" ")[2]!, fence.text] as const))(
    "of the listing of %s",
    (entry, text) => {
      expect(listing(deferred, entry)).toContain(text);
    },
  );

  const scripts = fences.filter(({ text }) => text.startsWith("node --input-type=module"));
  test.each(scripts.map(({ file, text }) => [file, /'([\s\S]*)'/.exec(text)![1]!] as const))(
    "%s: the script prints the listing",
    (_, script) => {
      const args = ["--input-type=module", "-e", script];
      const { stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
      expect(stdout.trimEnd()).toBe(listing(deferred, "call_function_interrupt").trimEnd());
    },
  );
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly propertyNames?: Schema;
  readonly type?: string;
}

/** Paths of all fields: "a.b", "list[].c", "byName.*.d". */
function fieldsOf(schema: Schema, path = ""): string[] {
  const inner = [schema, ...(schema.anyOf ?? [])];
  return inner.flatMap(({ properties = {}, additionalProperties, items }) => [
    ...Object.entries(properties).flatMap(([name, field]) => {
      const here = path === "" ? name : `${path}.${name}`;
      return [here, ...fieldsOf(field, here)];
    }),
    ...(typeof additionalProperties === "object" ? fieldsOf(additionalProperties, `${path}.*`) : []),
    ...(items === undefined ? [] : fieldsOf(items, `${path}[]`)),
  ]);
}

/** An object is explained by its fields, unless it has a row of its own. */
function explained(fields: readonly string[], rows: readonly string[]): string[] {
  return fields.filter(
    (field) => rows.includes(field) || !fields.some((other) => other.startsWith(`${field}.`)),
  );
}

describe(json, () => {
  const schemaOf = (name: string): Schema => JSON.parse(textOf(`schema/${name}.schema.json`)) as Schema;

  test("explains exactly the fields of a run", () => {
    const rows = namesInTable(json, "run");
    expect(rows.toSorted()).toEqual(explained(fieldsOf(schemaOf("run")), rows).toSorted());
  });

  test("explains exactly the fields of a comparison", () => {
    const fields = fieldsOf(schemaOf("compare")).filter((field) => !field.startsWith("runs[]."));
    expect(namesInTable(json, "compare").toSorted()).toEqual(fields.toSorted());
  });

  test("explains exactly the fields of a check", () => {
    const rows = namesInTable(json, "check");
    expect(rows.toSorted()).toEqual(explained(fieldsOf(schemaOf("check")), rows).toSorted());
  });

  test("lists every reason for which a flush is avoided", () => {
    const programs = policies.map(({ name }) =>
      kernelProgram(resolveSlots(name, {}), { cpus: 2, radixBits: 9 }),
    );
    const counters = new Set(programs.flatMap((program) => program.counters));
    const reasons = [...counters]
      .filter((name) => name.startsWith("flushes.avoided."))
      .map((name) => name.slice(16));
    expect(namesInTable(json, "avoided").toSorted()).toEqual(reasons.toSorted());
  });
});
