import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map((match) => match[1]!);
}

/** Folders of src/ that a file of src/ imports from. */
function foldersImported(file: string): string[] {
  return importsOf(file)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(root, resolve(root, dirname(file), specifier)))
    .map((path) =>
      path.startsWith("src/")
        ? path.split("/").length > 2
          ? path.split("/")[1]!
          : "src"
        : `outside:${path}`,
    );
}

/** Which folders each folder may import from, besides itself and the files that lie directly in src/. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  dsl: [],
  kernel: ["dsl"],
  policy: ["kernel", "dsl"],
  scenario: ["policy", "kernel", "dsl"],
  own: ["scenario", "policy", "kernel", "dsl"],
  machine: [],
  workload: [],
  trace: ["workload"],
  reference: ["dsl"],
  validation: ["engine", "machine", "workload", "kernel"],
  report: ["engine", "dsl"],
  engine: ["dsl", "kernel", "policy", "scenario", "machine", "workload", "trace", "reference", "own"],
  cli: [
    "dsl",
    "kernel",
    "policy",
    "scenario",
    "machine",
    "workload",
    "trace",
    "engine",
    "report",
    "own",
    "validation",
  ],
};

/** What may be imported from a folder by types alone. */
const typesOnly: readonly (readonly [string, string])[] = [
  ["reference", "dsl"],
  ["report", "engine"],
  ["validation", "kernel"],
];

describe("arrows", () => {
  it.each(Object.keys(arrows))("src/%s imports only what it may", (folder) => {
    const allowed = new Set([...arrows[folder]!, folder, "src"]);
    const wrong = filesUnder(`src/${folder}`).flatMap((file) =>
      foldersImported(file)
        .filter((target) => !allowed.has(target))
        .map((target) => `${file} imports from ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it("every folder of src/ has its arrows stated", () => {
    const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect(folders.map((folder) => folder.name).sort()).toEqual(Object.keys(arrows).sort());
  });

  it("assembly/ and assembly/trace import nothing outside themselves", () => {
    const outside = filesUnder("assembly").flatMap((file) =>
      importsOf(file).filter((path) => !path.startsWith("./") || path.startsWith("./trace")),
    );
    expect(outside).toEqual([]);
  });

  it("the twin shares nothing with the engine but types of the program", () => {
    for (const [from, to] of typesOnly) {
      const wrong = filesUnder(`src/${from}`).filter((file) => {
        const text = readFileSync(join(root, file), "utf8");
        return new RegExp(`^import (?!type)[^;]*from "\\.\\./${to}/`, "m").test(text);
      });
      expect(wrong).toEqual([]);
    }
  });

  it("only src/engine, and the columns of src/trace, say WebAssembly", () => {
    const others = filesUnder("src").filter(
      (file) => !file.startsWith("src/engine/") && file !== "src/trace/columns.ts",
    );
    expect(others.filter((file) => /\bWebAssembly\b/.test(readFileSync(join(root, file), "utf8")))).toEqual(
      [],
    );
  });
});

describe("sizes", () => {
  const sources = [...filesUnder("src"), ...filesUnder("assembly")];

  it("no source file is longer than 400 lines", () => {
    const long = sources.map(
      (file) => [file, readFileSync(join(root, file), "utf8").split("\n").length] as const,
    );
    expect(long.filter(([, lines]) => lines > 400)).toEqual([]);
  });
});

describe("names and numbers", () => {
  it("snake_case identifiers stand only where Linux is quoted", () => {
    const quoting = ["src/kernel/", "src/policy/", "src/scenario/"];
    const files = filesUnder("src").filter((file) => !quoting.some((folder) => file.startsWith(folder)));
    const found = files.flatMap((file) => {
      const text = readFileSync(join(root, file), "utf8").replace(
        /\/\*[\s\S]*?\*\/|\/\/.*|"[^"]*"|'[^']*'|`[^`]*`/g,
        "",
      );
      return [...text.matchAll(/\b(?:const|let|function|class)\s+([a-z]+_[a-z_]+)\b/g)].map(
        (match) => `${file}: ${match[1]}`,
      );
    });
    expect(found).toEqual([]);
  });

  it("a mechanism knows no clock, no randomness and no module state", () => {
    const wrong = filesUnder("src/kernel").filter((file) =>
      /Math\.random|Date\.|performance\.|^(?:export )?let /m.test(readFileSync(join(root, file), "utf8")),
    );
    expect(wrong).toEqual([]);
  });

  it("there are no barrels but the public doors", () => {
    const barrels = filesUnder("src").filter((file) => file.endsWith("/index.ts"));
    const doors = ["dsl", "kernel", "policy", "scenario"];
    expect(barrels.sort()).toEqual(doors.map((door) => `src/${door}/index.ts`));
    const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: object };
    expect(Object.keys(exports)).toEqual([...doors.map((door) => `./${door}`), "./package.json"]);
  });

  it("no file is called utils or helpers, and nothing is exported by default", () => {
    const files = filesUnder("src");
    expect(files.filter((file) => /utils?|helpers?/.test(file))).toEqual([]);
    expect(files.filter((file) => /^export default/m.test(readFileSync(join(root, file), "utf8")))).toEqual(
      [],
    );
  });
});
