import { inflateRawSync } from "node:zlib";
import { z } from "zod";
import { ByteWindow } from "./byte-window.js";
import { blocksOf, readHeader } from "./packed.js";
import { type PackedBlock, PackedBlocks } from "./packed-blocks.js";
import { type PackedHeader, packing } from "./packed-layout.js";
import type { PeekedSource } from "./peek.js";
import type { RecordedEvent, RecordedEvents } from "./tracepoint-stream.js";

const number = z.number();
/** JSON has no NaN, which stands for an argument that nobody needs. */
const argument = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const at = { line: number, time: number, cpu: z.int().min(0), tid: number, pid: number.optional() };
const call = z.strictObject({
  ...{ ...at, kind: z.literal("call"), name: z.string(), args: z.array(argument) },
  result: number.optional(),
});
const recordedEvents: z.ZodType<readonly RecordedEvent[]> = z.array(
  z.discriminatedUnion("kind", [
    call,
    z.strictObject({ ...at, kind: z.literal("return"), call }),
    z.strictObject({ ...at, kind: z.literal("fault"), address: number, error: number }),
    z.strictObject({ ...at, kind: z.literal("switch"), next: number, nextComm: z.string() }),
    z.strictObject({ ...at, kind: z.literal("fork"), child: number, isThread: z.boolean() }),
    z.strictObject({ ...at, kind: z.literal("flush"), pages: number, reason: number }),
    z.strictObject({ ...at, kind: z.literal("end") }),
    z.strictObject({ ...at, kind: z.literal("other") }),
  ]),
) as z.ZodType<readonly RecordedEvent[]>;

/** What a packed recording says that its kernel did. */
export class PackedSchedule implements RecordedEvents {
  readonly name: string;
  readonly format: string;
  readonly #bytes: ByteWindow;
  readonly #header: PackedHeader;
  readonly #blocks: PackedBlocks;
  #events: readonly RecordedEvent[] | undefined;
  #delivered = 0;

  private constructor(bytes: ByteWindow, header: PackedHeader, lenient: boolean) {
    this.name = header.name;
    this.format = header.summary.format;
    this.#bytes = bytes;
    this.#header = header;
    this.#blocks = new PackedBlocks(bytes, blocksOf(header), lenient);
  }

  /** Undefined for a recording without a schedule. Throws: InputError for a file whose beginning is damaged. */
  static async open(source: PeekedSource, lenient: boolean): Promise<PackedSchedule | undefined> {
    const bytes = new ByteWindow(source);
    const header = await readHeader(bytes);
    return header.schedule === undefined ? undefined : new PackedSchedule(bytes, header, lenient);
  }

  /** Those that the recorder dropped and, once all is read, those in blocks that were passed over. */
  get lost(): number {
    const { events, lost } = this.#header.schedule!;
    return lost + events - this.#delivered;
  }

  async next(): Promise<readonly RecordedEvent[] | undefined> {
    this.#events = undefined;
    while (this.#events === undefined) {
      if (!(await this.#blocks.next((block) => this.#take(block)))) return undefined;
    }
    this.#delivered += (this.#events as readonly RecordedEvent[]).length;
    return this.#events;
  }

  close(): void {
    this.#bytes.close();
  }

  #take({ number: which, rows, how, plain, stored }: PackedBlock): void {
    if (which < this.#header.blocks) return;
    if (how !== packing.deflate) throw new RangeError(`packing ${how}`);
    const text = inflateRawSync(stored, { maxOutputLength: Math.max(1, plain) }).toString("utf8");
    const { data } = recordedEvents.safeParse(JSON.parse(text));
    if (data?.length !== rows) throw new RangeError("no events of a schedule");
    this.#events = data;
  }
}
