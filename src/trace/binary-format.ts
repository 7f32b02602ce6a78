import type { ReaderOptions, TraceReader } from "./event.js";
import type { PeekedSource } from "./peek.js";

/** A format that is not made of lines. */
export interface BinaryFormat {
  readonly name: string;
  /** One line for lists. */
  readonly about: string;
  /** Whether a file with this beginning, and this name, is in this format. */
  readonly fits: (head: Buffer, file: string) => boolean;
  /** Files with the same answer are one recording; without it, every file is one by itself. */
  readonly group?: (head: Buffer, file: string) => string;
  /** What the recording was made from, if it stands for another one. Throws: InputError. */
  readonly origin?: (source: PeekedSource) => Promise<Origin>;
  /** The sources are those of one recording. May throw InputError. */
  readonly reader: (
    sources: readonly PeekedSource[],
    options: ReaderOptions,
  ) => TraceReader | Promise<TraceReader>;
}

/** As results name a recording, and its format. */
export interface Origin {
  readonly name: string;
  readonly format: string;
}
