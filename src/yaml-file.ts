/**
 * YAML that a person wrote: plain data, and the place of each part of it for messages.
 *
 * Import it where a file was named, and not before: the two libraries take as long to load as a small run.
 */
import { closeSync, openSync, readSync } from "node:fs";
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  visit,
  type YAMLMap,
} from "yaml";
import type { z } from "zod";
import { nearestName, UsageError } from "./errors.js";

/** Names and numbers that lead to a part of the data: ["threads", 0, "count"]. */
export type YamlPath = readonly PropertyKey[];

/** More than any person writes by hand. */
const bytesMax = 2 ** 20;

export class YamlFile {
  readonly file: string;
  readonly data: unknown;
  readonly #lines: LineCounter;
  readonly #root: ParsedNode | null;

  /** Throws: UsageError with file, line and column for text that is no YAML, or a file that cannot be read. */
  constructor(file: string, text = readText(file)) {
    this.file = file;
    this.#lines = new LineCounter();
    try {
      // The library looks for a key among all before it: minutes for a mapping that fills the file.
      const document = parseDocument(text, {
        ...{ lineCounter: this.#lines, prettyErrors: false, uniqueKeys: false },
      });
      const [error] = document.errors;
      if (error !== undefined) throw this.#error(error.pos[0], plainWords(error.message));
      this.#root = document.contents;
      visit(document, { Map: (_, map) => this.#refuseTwins(map) });
      this.data = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new UsageError(`${file}: ${plainWords((error as Error).message)}`);
    }
    this.#refuseUnprintable(this.data, [], new Set());
  }

  /** The error for what stands at a path, or for its key: "FILE:LINE:COLUMN: PATH: what was expected". */
  error(path: YamlPath, message: string, part: "key" | "value" = "value"): UsageError {
    return this.#error(this.#offset(path, part), `${pathText(path)}${message}`);
  }

  /**
   * The part at `path`, which is `value`, as the schema describes it.
   *
   * Throws: UsageError for the first thing that the schema does not allow, with the nearest name for an unknown key.
   */
  check<T extends z.ZodType>(schema: T, value: unknown, path: YamlPath = []): z.output<T> {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = deepest(result.error.issues);
    const at = [...path, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      const [key] = issue.keys as [string];
      const accepted = keysAt(schema, issue.path, value);
      throw this.error([...at, key], unknownKey(key, accepted), "key");
    }
    const given = valueAt(value, issue.path);
    const isMissing = given === undefined;
    const wanted = issue.message.replace(/^Invalid input: /, "");
    const expected = isMissing ? `it is missing: ${wanted}` : `${wanted}; got ${shown(given)}`;
    throw this.error(at, expected, isMissing ? "key" : "value");
  }

  #refuseTwins(map: YAMLMap): void {
    const seen = new Set<unknown>();
    for (const { key } of map.items) {
      const name = isScalar(key) ? key.value : key;
      if (seen.has(name)) throw this.#error((key as Node).range?.[0] ?? 0, "Map keys must be unique");
      seen.add(name);
    }
  }

  /** What holds itself has no end, and what a terminal would obey is no name. `around` is what `part` stands in. */
  #refuseUnprintable(part: unknown, path: YamlPath, around: Set<unknown>): void {
    if (typeof part === "string" && control.test(part))
      throw this.error(path, `expected text without control characters; got ${JSON.stringify(part)}`);
    if (typeof part !== "object" || part === null) return;
    if (around.has(part)) throw this.error(path, "this alias stands inside of what it stands for");
    around.add(part);
    for (const [key, each] of Object.entries(part)) {
      if (control.test(key))
        throw this.error([...path, key], "expected a key without control characters", "key");
      this.#refuseUnprintable(each, [...path, Array.isArray(part) ? Number(key) : key], around);
    }
    around.delete(part);
  }

  #error(offset: number, message: string): UsageError {
    const { line, col } = this.#lines.linePos(offset);
    return new UsageError(`${this.file}:${Math.max(1, line)}:${Math.max(1, col)}: ${message.split("\n")[0]}`);
  }

  /** Where a part stands; what is missing is where the part stands that lacks it. */
  #offset(path: YamlPath, part: "key" | "value"): number {
    let node: Node | null | undefined = this.#root;
    let offset = node?.range?.[0] ?? 0;
    for (const [depth, step] of path.entries()) {
      const isLast = depth === path.length - 1;
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => String(key) === String(step));
        if (pair === undefined) return offset;
        const key = pair.key as Node;
        node = pair.value as Node | null;
        offset = (isLast && part === "key" ? key.range?.[0] : (node?.range?.[0] ?? key.range?.[0])) ?? offset;
      } else if (isSeq(node)) {
        node = node.items[Number(step)] as Node | undefined;
        offset = node?.range?.[0] ?? offset;
      } else return offset;
    }
    return offset;
  }
}

/** C0 but for tab and line feed, C1, and what turns the direction of text round. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** The first line of a complaint of the library; the one about the stack is about nesting. */
function plainWords(message: string): string {
  return /call stack/.test(message) ? "it is nested too deeply" : message.split("\n")[0]!;
}

/** The file's bytes, or one more than are allowed: what has no end (a device, a pipe) is not read to it. */
function readBytes(file: string): Buffer {
  const bytes = Buffer.allocUnsafe(bytesMax + 1);
  const handle = openSync(file, "r");
  try {
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(handle, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(handle);
  }
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readBytes(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why: Readonly<Record<string, string>> = {
      ENOENT: "there is no such file",
      EISDIR: "it is a folder",
    };
    throw new UsageError(`${file}: ${why[code ?? ""] ?? `it cannot be read (${code})`}`);
  }
  if (bytes.length > bytesMax) throw new UsageError(`${file}: it is larger than ${bytesMax / 2 ** 20} MiB`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${file}: it is no text in UTF-8`);
  }
}

export function unknownKey(key: string, accepted: readonly string[], kind = "key"): string {
  const near = nearestName(key, accepted);
  const hint = near === undefined ? "" : ` did you mean '${near}'?`;
  return `unknown ${kind} '${key}';${hint} known: ${accepted.join(", ")}`;
}

/** "threads[0].count: ", or nothing for the whole file. */
function pathText(path: YamlPath): string {
  const text = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
  return text === "" ? "" : `${text.replace(/^\./, "")}: `;
}

/** A value as a person would know it again. */
export function shown(value: unknown): string {
  // JSON has no NaN and no Infinity.
  const text =
    typeof value === "string"
      ? `'${value}'`
      : typeof value === "number"
        ? String(value)
        : (JSON.stringify(value) ?? String(value));
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}

type Issue = z.core.$ZodIssue;

/** What is wrong in the alternative that was meant: one of the right shape, that went along with the data the furthest. */
function deepest(issues: readonly Issue[]): Issue {
  // What is missing is often there under another name.
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0]!;
  if (issue.code !== "invalid_union") return issue;
  const best = issue.errors
    .filter((branch) => branch.length > 0)
    .map((branch) => deepest(branch))
    // What is wrong with the whole of it is better said by the union itself.
    .filter(({ code, path }) => path.length > 0 || code === "unrecognized_keys")
    .sort((a, b) => b.path.length - a.path.length)[0];
  return best === undefined ? issue : { ...best, path: [...issue.path, ...best.path] };
}

/** The keys of the object that a schema has at a path, for the alternative that `value` was meant to be. */
function keysAt(schema: z.ZodType, path: YamlPath, value: unknown): string[] {
  const { def } = schema as unknown as { def: SchemaDef };
  const inner = (next: z.ZodType, step: PropertyKey): string[] =>
    keysAt(next, path.slice(1), valueAt(value, [step]));
  switch (def.type) {
    case "optional":
    case "default":
    case "readonly":
      return keysAt(def.innerType!, path, value);
    case "lazy":
      return keysAt(def.getter!(), path, value);
    case "union":
      return [
        ...new Set(
          def
            .options!.filter((option) => isMeant(option, value))
            .flatMap((option) => keysAt(option, path, value)),
        ),
      ];
    case "array":
      return path.length === 0 ? [] : inner(def.element!, path[0]!);
    case "record":
      return path.length === 0 ? [] : inner(def.valueType!, path[0]!);
    case "object": {
      const shape = def.shape!;
      if (path.length === 0) return Object.keys(shape);
      const field = shape[String(path[0])];
      return field === undefined ? [] : inner(field, path[0]!);
    }
    default:
      return [];
  }
}

/** Whether all fields that can have one value only have it. */
function isMeant(option: z.ZodType, value: unknown): boolean {
  const { shape = {} } = (option as unknown as { def: SchemaDef }).def;
  return Object.entries(shape).every(([key, field]) => {
    const { values } = (field as unknown as { def: SchemaDef }).def;
    return values === undefined || values.includes(valueAt(value, [key]));
  });
}

/** What zod keeps of a schema, as far as it is looked at here. */
interface SchemaDef {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly getter?: () => z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  /** Of a literal. */
  readonly values?: readonly unknown[];
}

function valueAt(value: unknown, path: YamlPath): unknown {
  return path.reduce<unknown>(
    (part, step) => (part as Record<PropertyKey, unknown> | undefined)?.[step],
    value,
  );
}
