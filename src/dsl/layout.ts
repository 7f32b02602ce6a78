/** Where declared fields sit: in the order of the declarations, those of a CPU, an mm and the world on lines of their own. */

import { AssembleError, fail } from "./errors.js";
import { type FieldPlace, RECORD_KINDS, type RecordKind, type StateLayout } from "./program.js";
import { type Address, type AnyRecord, type FieldDeclaration, fieldKind } from "./state.js";

/** Words of a cache line. */
const LINE_WORDS = 8;
/** Records whose declarations start a line of their own, as structures of a kernel do: what shares a line costs together. */
const LINED: ReadonlySet<RecordKind> = new Set(["global", "mm", "cpu", "table"]);

export class Layout {
  readonly #cpus: number;
  readonly #words = Object.fromEntries(RECORD_KINDS.map((kind) => [kind, 0])) as Record<RecordKind, number>;
  readonly #fields: FieldPlace[] = [];
  readonly #places = new Map<AnyRecord, Map<string, FieldPlace>>();

  /** Throws: AssembleError when two declarations of one kind share a field name, or task's first field is not mm. */
  constructor(records: readonly AnyRecord[], cpus: number) {
    this.#cpus = cpus;
    for (const record of new Set(records)) this.#place(record);
    const task = this.#fields.find((field) => field.record === "task");
    if (task !== undefined && task.name !== "mm") {
      fail(
        `the first field of the task record is "${task.name}"`,
        'list the record("task", { mm: ... }) first: the engine reads the mm there',
      );
    }
  }

  /** `imm` of an op on this field: record kind << 32 | first word. */
  immediate(address: Exclude<Address["field"], "pte">, label: string): bigint {
    const place = this.#places.get(address.record)?.get(address.name);
    if (place === undefined) {
      const { kind, declaredAt } = address.record;
      return fail(
        `field "${kind}.${address.name}" is not declared in this program`,
        `add the record declared at ${declaredAt.file}:${declaredAt.line} to \`records\` of assemble()`,
        label,
      );
    }
    return (BigInt(RECORD_KINDS.indexOf(place.record)) << 32n) | BigInt(place.word);
  }

  finish(): StateLayout {
    return { cpus: this.#cpus, words: this.#words, fields: this.#fields };
  }

  #place(record: AnyRecord): void {
    const places = new Map<string, FieldPlace>();
    this.#startLine(record.kind);
    for (const [name, declaration] of Object.entries(record.fields)) {
      if (this.#fields.some((field) => field.record === record.kind && field.name === name)) {
        const rule = `field "${record.kind}.${name}" is declared twice`;
        const remedy = "import the first declaration, or choose another name";
        throw new AssembleError({ routine: "", label: "", rule, remedy }, record.declaredAt);
      }
      const words = this.#size(declaration);
      const kind = fieldKind(declaration);
      const place = { record: record.kind, name, word: this.#words[record.kind], words, kind };
      this.#words[record.kind] += words;
      this.#fields.push(place);
      places.set(name, place);
    }
    this.#startLine(record.kind);
    this.#places.set(record, places);
  }

  #startLine(kind: RecordKind): void {
    if (LINED.has(kind)) this.#words[kind] = Math.ceil(this.#words[kind] / LINE_WORDS) * LINE_WORDS;
  }

  #size(declaration: FieldDeclaration): number {
    if (!("kind" in declaration)) return 1;
    switch (declaration.kind) {
      case "mask":
        return Math.ceil(this.#cpus / 64);
      case "array":
        return declaration.length ?? this.#cpus;
      default:
        return 1;
    }
  }
}
