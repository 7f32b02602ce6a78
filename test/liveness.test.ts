import { expect, test } from "vitest";
import { liveRegisters } from "../src/dsl/liveness.js";
import { op } from "./tiny-program.js";

const mask = (...registers: number[]) => registers.reduce((all, one) => all | (1n << BigInt(one)), 0n);

test("a register lives from where it is written to where it is read last", () => {
  const ops = [
    op("LI", { dst: 1, imm: 5 }),
    op("LD", { dst: 2 }),
    op("ADD", { dst: 3, a: 1, b: 2 }),
    op("ST", { c: 3 }),
    op("END", { a: 2 }),
  ];
  expect(liveRegisters(ops)).toEqual([0n, mask(1), mask(1, 2), mask(2, 3), mask(2)]);
});

test("a branch keeps what either way reads, and a loop what its next round reads", () => {
  const ops = [
    op("BZ", { a: 0, imm: 3 }),
    op("SUB", { dst: 0, a: 0, b: 4 }),
    op("JMP", { imm: 0 }),
    op("ST", { c: 5 }),
    op("END"),
  ];
  expect(liveRegisters(ops)).toEqual([mask(0, 4, 5), mask(0, 4, 5), mask(0, 4, 5), mask(5), 0n]);
});

test("RFIND writes three registers, and the relation of AWAIT is none", () => {
  const find = op("RFIND", { dst: 1, a: 2, b: 3, c: 4, d: 5 });
  const rest = [op("ST", { a: 1, b: 3, c: 4 }), op("END")];
  expect(liveRegisters([find, ...rest])[0]).toBe(mask(2, 5));
  expect(liveRegisters([op("AWAIT", { dst: 1, c: 2, d: 3 }), op("END")])[0]).toBe(mask(2));
});
