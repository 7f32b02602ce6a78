import { describe, expect, test } from "vitest";
import { UsageError } from "../src/errors.js";
import { kernelProgram } from "../src/kernel/program.js";
import {
  cpuCount,
  type MachinePreset,
  machineNumbers,
  priceNames,
  quantity,
  structureNames,
  toCycles,
  workPrices,
} from "../src/machine/preset.js";
import { machineNamed, machines } from "../src/machine/presets.js";
import { skylakeSp, skylakeSpPti } from "../src/machine/skylake-sp.js";
import { zen4 } from "../src/machine/zen4.js";
import { policies } from "../src/policy/policies.js";

/** Every record with a source, wherever it stands in a preset; its path for the message. */
function numbersOf(value: unknown, path: string): [string, { source?: unknown; confidence?: unknown }][] {
  if (typeof value !== "object" || value === null) return [];
  if ("source" in value) return [[path, value]];
  return Object.entries(value).flatMap(([key, member]) => numbersOf(member, `${path}.${key}`));
}

/** Numbers and references that stand in a preset without a source. */
function bareNumbers(value: unknown, path: string): string[] {
  if (typeof value === "number") return [path];
  if (typeof value !== "object" || value === null || "source" in value) return [];
  return Object.entries(value).flatMap(([key, member]) => bareNumbers(member, `${path}.${key}`));
}

describe.each(machines.map((machine) => [machine.name, machine] as const))("machine %s", (name, machine) => {
  test("every number has a source and a confidence", () => {
    const numbers = numbersOf(machine, name);
    expect(numbers.length).toBeGreaterThan(priceNames.length + structureNames.length);
    for (const [path, number] of numbers) {
      expect(String(number.source).length, path).toBeGreaterThan(20);
      expect(["A", "B", "C", "D"], path).toContain(number.confidence);
    }
    expect(bareNumbers(machine, name)).toEqual([]);
  });

  test("a number that is no assumption names its source and a place to read it", () => {
    for (const [path, number] of numbersOf(machine, name)) {
      if (number.confidence === "D") expect(number.source, path).toMatch(/^assumption: /);
      else expect(number.source, path).toMatch(/\[[A-Z0-9]+: .*(https?:\/\/|quoted at )/);
    }
  });

  test("prices are whole cycles, and every structure is whole sets, a power of two of them", () => {
    const numbers = machineNumbers(machine);
    for (const price of priceNames) expect(numbers.prices[price], price).toSatisfy(Number.isInteger);
    for (const structure of structureNames) {
      const { entries, ways } = numbers.structures[structure];
      if (entries > 0) expect(Math.log2(entries / ways), structure).toSatisfy(Number.isInteger);
    }
  });

  test("no quantum is longer than the fastest interrupt", () => {
    const { prices, quantumCycles } = machineNumbers(machine);
    const { ipiDeliverSmt, ipiDeliverCcx, ipiDeliverSocket, ipiDeliverRemote } = prices;
    expect(quantumCycles).toBe(Math.min(ipiDeliverSmt, ipiDeliverCcx, ipiDeliverSocket, ipiDeliverRemote));
  });

  test("what is farther away costs no less", () => {
    const { prices } = machineNumbers(machine);
    for (const kind of ["line", "ipiDeliver"] as const) {
      const byDistance = (["Smt", "Ccx", "Socket", "Remote"] as const).map((far) => prices[`${kind}${far}`]);
      expect(byDistance).toEqual([...byDistance].sort((a, b) => a - b));
    }
  });
});

test("the presets have the CPUs of the machines they are named after", () => {
  const counts = machines.map((machine) => [machine.name, cpuCount(machine)]);
  expect(Object.fromEntries(counts)).toEqual({
    haswell: 4,
    "skylake-sp": 112,
    "skylake-sp-pti": 112,
    "icelake-sp": 128,
    "sapphire-rapids": 224,
    zen3: 256,
    zen4: 384,
    zen5: 384,
    "neoverse-n1": 64,
  });
});

test("nanoseconds become cycles by the clock of the preset", () => {
  const measured = { source: "a measurement, somewhere", confidence: "A" } as const;
  expect(toCycles(quantity(48, "ns", measured), 2.5)).toBe(120);
  expect(toCycles(quantity(48, "cycles", measured), 2.5)).toBe(48);
  expect(machineNumbers(skylakeSp).prices.lineSocket).toBe(120);
  expect(machineNumbers(zen4).prices.lineCcx).toBe(85);
});

test("page-table isolation makes entries, exits and INVLPG dearer, and nothing else", () => {
  const [off, on] = [machineNumbers(skylakeSp), machineNumbers(skylakeSpPti)];
  expect(
    on.prices.syscallEntry + on.prices.syscallExit - off.prices.syscallEntry - off.prices.syscallExit,
  ).toBe(348);
  expect(on.prices.invlpg).toBe(195 + 350);
  const dearer = priceNames.filter((name) => on.prices[name] !== off.prices[name]);
  expect(dearer).toHaveLength(7);
});

test("an array that holds several page sizes is one array", () => {
  const { structures } = machineNumbers(zen4);
  expect(structures.l1d2m).toEqual({ entries: 72, ways: 72, owner: "l1d4k" });
  expect(machineNumbers(skylakeSp).structures.l1d2m.owner).toBe("l1d2m");
});

test("an array cannot share with one that shares itself", () => {
  const shared = { source: "somewhere", confidence: "D" } as const;
  const twisted: MachinePreset = {
    ...zen4,
    structures: { ...zen4.structures, l1d1g: { sharedWith: "l1d2m", ...shared } },
  };
  expect(() => machineNumbers(twisted)).toThrow(/l1d1g shares with l1d2m, which shares too/);
});

test("a number without a value or an origin is refused", () => {
  expect(() => quantity(Number.NaN, "ns", { source: "somewhere", confidence: "A" })).toThrow(RangeError);
  expect(() => quantity(-1, "ns", { source: "somewhere", confidence: "A" })).toThrow(RangeError);
  expect(() => quantity(1, "ns", { source: " ", confidence: "A" })).toThrow(/no source/);
});

test("kernel work without a price is an error that names it", () => {
  const machine = { ...machineNumbers(skylakeSp), work: { known: 10 } };
  expect(workPrices(machine, ["known"])).toEqual([10]);
  expect(() => workPrices(machine, ["known", "tea", "cake"])).toThrow(
    "machine 'skylake-sp' has no price for the kernel work: tea, cake",
  );
});

test("every machine has a price for every kernel work of every policy", () => {
  for (const { name, slots } of policies) {
    const { works } = kernelProgram(slots, { cpus: 2, radixBits: 9 });
    for (const machine of machines) {
      expect(workPrices(machineNumbers(machine), works), `${name} on ${machine.name}`).toHaveLength(
        works.length,
      );
    }
  }
});

test("an unknown machine is answered with the nearest name", () => {
  expect(() => machineNamed("skylake")).toThrow(UsageError);
  expect(() => machineNamed("skylake")).toThrow(
    "unknown machine 'skylake'; did you mean 'skylake-sp'? known: haswell, icelake-sp, neoverse-n1",
  );
  expect(() => machineNamed("zen6")).toThrow(/did you mean 'zen3'/);
  expect(() => machineNamed("vax")).toThrow(/^unknown machine 'vax'; known: haswell, icelake-sp, /);
});
