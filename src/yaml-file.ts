/**
 * YAML that a person wrote: plain data, and the place of each part of it for messages.
 *
 * Import it where a file was named, and not before: the two libraries take as long to load as a small run.
 */
import { readFileSync } from "node:fs";
import { isMap, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from "yaml";
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
      const document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
      const [error] = document.errors;
      if (error !== undefined) throw this.#error(error.pos[0], error.message);
      this.#root = document.contents;
      this.data = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      if (error instanceof UsageError) throw error;
      // Nesting that overflows the stack, and aliases that multiply without end.
      const why = error instanceof RangeError ? "it is nested too deeply" : (error as Error).message;
      throw new UsageError(`${file}: ${why.split("\n")[0]}`);
    }
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

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
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
  const text = typeof value === "string" ? `'${value}'` : (JSON.stringify(value) ?? String(value));
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
