import type { TraceSummary } from "../workload/feed.js";
import { EventBlock, type ReaderOptions, type TraceEvent } from "./event.js";
import { openTrace } from "./format.js";
import type { Unpackers } from "./open.js";
import { Tally } from "./tally.js";

/** What a recording holds, by reading all of it. Throws: InputError. */
export async function summarizeTrace(
  recording: string | readonly string[],
  options: ReaderOptions & Unpackers = {},
): Promise<TraceSummary> {
  const reader = await openTrace(recording, options);
  const tally = new Tally();
  const block = new EventBlock();
  try {
    while (await reader.read(block)) tally.add(block);
    return tally.summary(reader);
  } finally {
    reader.close();
  }
}

/** The events of a recording, one by one, in order. Throws: InputError. */
export async function* traceEvents(
  recording: string | readonly string[],
  options: ReaderOptions & Unpackers = {},
): AsyncGenerator<TraceEvent> {
  const reader = await openTrace(recording, options);
  const block = new EventBlock();
  try {
    while (await reader.read(block)) for (let row = 0; row < block.length; row++) yield block.at(row);
  } finally {
    reader.close();
  }
}
