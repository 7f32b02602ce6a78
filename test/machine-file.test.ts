/* Machines from YAML: what a file changes, what it leaves alone, and what is said of a mistake. */
import { expect, test } from "vitest";
import { configurationOf } from "../src/engine/configuration.js";
import { machineNumbers } from "../src/machine/preset.js";
import { machines } from "../src/machine/presets.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { machineFrom, readMachineFile } from "../src/machine/yaml-machine.js";
import { YamlFile } from "../src/yaml-file.js";

const machine = (text: string) => machineFrom(new YamlFile("box.yaml", text));

test("a file changes what it names and nothing else", () => {
  const box = machine(`
extends: skylake-sp
source: our own bench
clock: 3200 MHz
prices:
  invlpg: 1.5us
  lineRemote: { value: 130 ns, source: a paper, confidence: B }
work: { flush_tlb_func: 300 cycles }
structures:
  stlb: { entries: 1280, ways: 5 }
  l1d2m: { sharedWith: l1d4k }
pcid: false
`);
  expect(box.name).toBe("box");
  expect(box.ghz).toEqual({ value: 3.2, unit: "GHz", source: "our own bench", confidence: "D" });
  expect(box.prices.lineRemote).toEqual({ value: 130, unit: "ns", source: "a paper", confidence: "B" });
  expect(box.prices.lineSocket).toBe(skylakeSp.prices.lineSocket);
  const numbers = machineNumbers(box);
  expect(numbers.prices.invlpg).toBe(4800);
  expect(numbers.work.flush_tlb_func).toBe(300);
  expect(numbers.structures.stlb).toEqual({ entries: 1280, ways: 5, owner: "stlb" });
  expect(numbers.structures.l1d2m.owner).toBe("l1d4k");
  expect(numbers.pcid).toBe(false);
});

test.each(machines.map(({ name }) => name))("a file that only extends %s is that machine", (name) => {
  const [base, same] = [machines.find((one) => one.name === name)!, machine(`extends: ${name}`)];
  const mechanism = { cpus: 1, slots: {}, tunables: {} };
  const hash = (one: typeof base) => configurationOf(one, machineNumbers(one), mechanism).hash;
  expect(hash(same)).toBe(hash(base));
  expect(hash(machine(`extends: ${name}\nprices: { idleWake: 1 ns }`))).not.toBe(hash(base));
});

test("the example in examples/ is read", () => {
  const box = readMachineFile(new URL("../examples/my-machine.yaml", import.meta.url).pathname);
  expect(box.name).toBe("our-box");
  expect(machineNumbers(box).prices.invlpg).toBe(160);
});

test.each([
  ["extends: skylake", "box.yaml:1:10: extends: unknown machine 'skylake'; did you mean 'skylake-sp'?"],
  ["name: box", "box.yaml:1:1: extends: it is missing: expected the name of a machine"],
  ["extends: zen4\nprice: {}", "box.yaml:2:1: price: unknown key 'price'; did you mean 'prices'?"],
  [
    "extends: zen4\nprices:\n  invlgp: 10 ns",
    "box.yaml:3:3: prices.invlgp: unknown key 'invlgp'; did you mean 'invlpg'?",
  ],
  [
    "extends: zen4\nprices:\n  invlpg: 10",
    "box.yaml:3:11: prices.invlpg: expected a time with its unit, such as 150 cycles or 130 ns; got 10",
  ],
  [
    "extends: zen4\nprices:\n  invlpg: 10 GHz",
    "box.yaml:3:11: prices.invlpg: expected a time with its unit, such as 150 cycles or 130 ns; got '10 GHz'",
  ],
  [
    "extends: zen4\nprices:\n  invlpg: -10 ns",
    "box.yaml:3:11: prices.invlpg: expected a time with its unit, such as 150 cycles or 130 ns; got '-10 ns'",
  ],
  ["extends: zen4\nclock: 300 GHz", "box.yaml:2:8: clock: expected 0.1 GHz to 10 GHz; got '300 GHz'"],
  [
    "extends: zen4\nprices: { irqEntry: 0 ns }",
    "box.yaml:2:21: prices.irqEntry: expected at least one cycle; it is 0 at this clock",
  ],
  [
    "extends: zen4\nprices: { dsb: 9000ms }",
    "box.yaml:2:16: prices.dsb: expected at most 1000000000 cycles; it is 33300000000 at this clock",
  ],
  ["extends: zen4\nwork: { fork: 1 ns }", "box.yaml:2:9: work.fork: unknown key 'fork';"],
  [
    "extends: zen4\ntopology: { sockets: 0 }",
    "box.yaml:2:22: topology.sockets: expected a whole number from 1 to 1024; got 0",
  ],
  [
    "extends: zen4\ntopology: { coresPerCcx: 7 }",
    "box.yaml:2:11: topology: expected core complexes that fill a socket: coresPerSocket 96 is no multiple of coresPerCcx 7",
  ],
  [
    "extends: zen4\nstructures:\n  stlb: { entries: 100, ways: 8 }",
    "box.yaml:3:9: structures.stlb: expected whole sets: entries that 8 ways divide; got 100",
  ],
  [
    "extends: zen4\nstructures:\n  l1d1g: { sharedWith: l1d2m }",
    "box.yaml:3:10: structures.l1d1g: l1d1g shares with l1d2m, which shares too",
  ],
  ["extends: zen4\nprices: [", "box.yaml:2:10: "],
])("%j is one line with its place", (text, message) => {
  expect(() => machine(text)).toThrow(message);
  try {
    machine(text);
  } catch (error) {
    expect((error as Error).name).toBe("UsageError");
    expect((error as Error).message).not.toContain("\n");
  }
});

test("the weakest constant is of the worst grade, and the dearest of those", () => {
  const mechanism = { cpus: 1, slots: {}, tunables: {} };
  const { weakest, grades } = configurationOf(skylakeSp, machineNumbers(skylakeSp), mechanism);
  expect(weakest).toMatchObject({ constant: "work.begin_new_exec", confidence: "D", cycles: 20_000 });
  expect(grades.A).toBeGreaterThan(15);
  expect(grades.D).toBeGreaterThan(50);
});
