import { borrowed, flushPrices } from "./borrow.js";
import { delivery, fittedPrices } from "./fitted.js";
import { kernelPrices, kernelWork } from "./linux-x86.js";
import { type MachinePreset, quantity } from "./preset.js";
import { remoteFrame } from "./remote-memory.js";
import { skylakeSp } from "./skylake-sp.js";
import { assumed, from } from "./sources.js";

/*
 * The machine of the bare-metal measurements of shootdowns [A19R2, A22R] is "Haswell" and no more: a curve that ends at four
 * threads speaks for a desktop with four cores. This one is such a desktop, of which the way of a line between cores was measured.
 */
const i5 = "Core i5-4590";
const cpuid = `CPUID leaf 2 of a ${i5}: 76036301 00f0b6ff 00000000 00c10000`;
const elsewhere = "the same instructions two generations later";

export const haswell: MachinePreset = {
  name: "haswell",
  title: "Intel Core i5-4590 (Haswell), 4 cores, 3.3 GHz, PCID, no page-table isolation",
  ghz: quantity(3.3, "GHz", from("C2C", "A", `the name of the measured ${i5} says it; boost is 3.7`)),
  topology: {
    threadsPerCore: quantity(1, "CPUs", from("C2C", "A", `${i5}: four CPUs, all of them equally far apart`)),
    coresPerCcx: quantity(4, "CPUs", assumed("one ring: a socket is one core complex")),
    coresPerSocket: quantity(4, "CPUs", from("C2C", "A", `${i5}: four CPUs`)),
    sockets: quantity(1, "CPUs", assumed("a desktop has one")),
  },
  structures: {
    l1d4k: { entries: 64, ways: 4, ...from("HSWID", "A", `${cpuid}, byte 03`) },
    l1d2m: { entries: 32, ways: 4, ...from("HSWID", "A", `${cpuid}, byte 63`) },
    l1d1g: { entries: 4, ways: 4, ...from("HSWID", "A", `${cpuid}, byte 63`) },
    l1i4k: { entries: 128, ways: 8, ...from("HSWID", "A", `${cpuid}, byte b6`) },
    l1i2m: { entries: 8, ways: 8, ...from("HSWID", "A", `${cpuid}, byte 76, fully associative`) },
    stlb: { entries: 1024, ways: 8, ...from("HSWID", "A", `${cpuid}, byte c1`) },
    stlb1g: {
      entries: 0,
      ways: 1,
      ...assumed("CPUID names no second-level array for 1 GiB: a miss of the first level walks"),
    },
    pde: skylakeSp.structures.pde,
    pdpte: skylakeSp.structures.pdpte,
    pml4e: skylakeSp.structures.pml4e,
  },
  prices: {
    ...kernelPrices,
    access: quantity(1, "cycles", assumed("about one instruction a cycle while nothing misses")),
    stlbHit: quantity(8, "cycles", assumed("7 to 9 cycles on the Intel cores that were measured [ILX]")),
    memL1: quantity(4, "cycles", assumed("load to use of every Intel core from Nehalem to Skylake")),
    memL2: quantity(12, "cycles", assumed("load to use of Ivy Bridge and Haswell, as commonly quoted")),
    memL3: quantity(34, "cycles", assumed("load to use of a four-core ring, as commonly quoted")),
    memDram: quantity(70, "ns", assumed("a desktop with one DDR3 controller, as commonly quoted")),
    lineSmt: quantity(7, "ns", assumed("as Cascade Lake's [C2C]; this machine has no sibling threads")),
    lineCcx: quantity(21, "ns", from("C2C", "A", `${i5}, median of six pairs, CAS round trip / 2`)),
    lineSocket: quantity(21, "ns", from("C2C", "A", `${i5}, median of six pairs, CAS round trip / 2`)),
    lineRemote: quantity(
      127,
      "ns",
      assumed("2 x Xeon E5-2680 v4 (Broadwell) [C2C], for runs with more CPUs than one socket has"),
    ),
    store: quantity(1, "cycles", assumed("a store retires into the store buffer")),
    ...borrowed(skylakeSp.prices, ["rmw", "fence"], "Skylake-X", elsewhere),
    ...borrowed(skylakeSp.prices, ["assist", ...flushPrices], "Skylake", elsewhere),
    ...fittedPrices,
    ipiDeliverSmt: delivery(),
    ipiDeliverCcx: delivery(),
    ipiDeliverSocket: delivery(),
    ipiDeliverRemote: delivery(127 - 21),
    frameRemote: remoteFrame(127 - 21),
  },
  work: kernelWork,
  ptiExtra: skylakeSp.ptiExtra,
  pcid: true,
  pti: false,
};
