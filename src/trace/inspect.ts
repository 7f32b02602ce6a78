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

/** One line for an event: "0 load 0x1fff000658 8", "1 munmap start 0x7f0000000000 length 4096". */
export function eventText(event: TraceEvent): string {
  if (event.name === "access") {
    const kind = ["load", "store", "fetch", "modify"][event.kind];
    return `${event.thread} ${kind} 0x${event.address.toString(16)} ${event.size}`;
  }
  const { thread, name, ...rest } = event;
  const isAddress = (key: string): boolean => key === "start" || key === "end" || key === "newStart";
  const values = Object.entries(rest).map(
    ([key, value]) => `${key} ${isAddress(key) ? `0x${value.toString(16)}` : value}`,
  );
  return [thread, name, ...values].join(" ");
}
