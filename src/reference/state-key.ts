/*
 * What tells two states of a search apart, as a digest: everything that a later event can depend on. Replacement order, statistics and the
 * status of a program that has ended are no part of it, and registers that are dead count as zero.
 */
import { createHash } from "node:crypto";
import type { ReferenceMachine } from "./machine.js";
import type { Player } from "./player.js";
import type { ContextState } from "./state.js";

const LEFT_OUT: ReadonlySet<string> = new Set(["age", "violations", "status"]);

export function keyOf({ machine, threads }: Player<ReferenceMachine>): string {
  const { live } = machine.program;
  const contextText = ({ pc, registers }: ContextState) => {
    const mask = live?.[pc] ?? ~0n;
    return `${pc}:${registers.map((value, register) => ((mask >> BigInt(register)) & 1n ? value : 0n))}`;
  };
  const textOf = (value: unknown): string => {
    if (typeof value !== "object" || value === null) return `${value}`;
    if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
    if ("pc" in value) return contextText(value as ContextState);
    const members = Object.entries(value).filter(([name]) => !LEFT_OUT.has(name));
    return `{${members.map(([, member]) => textOf(member)).join(";")}}`;
  };
  const places = threads.map(({ at, isFaulting }) => [at, isFaulting]);
  const text = textOf([machine.state(), machine.unseen(), places]);
  return createHash("sha1").update(text).digest("base64");
}
