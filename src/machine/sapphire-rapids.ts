import { borrowed, flushPrices } from "./borrow.js";
import { delivery, fittedPrices } from "./fitted.js";
import { icelakeSp } from "./icelake-sp.js";
import { kernelPrices, kernelWork } from "./linux-x86.js";
import { type MachinePreset, quantity } from "./preset.js";
import { remoteFrame } from "./remote-memory.js";
import { skylakeSp } from "./skylake-sp.js";
import { assumed, from } from "./sources.js";

const xeonW = "CPUID leaf 0x18, Xeon w9-3475X";
const before = "the server core before it";

export const sapphireRapids: MachinePreset = {
  name: "sapphire-rapids",
  title: "Intel Sapphire Rapids, 2 sockets x 56 cores x 2 threads, 2.0 GHz, PCID",
  ghz: quantity(2, "GHz", assumed("nominal clock of the 56-core Xeon Platinum 8480+; boost is 3.8")),
  topology: {
    threadsPerCore: quantity(2, "CPUs", assumed("hyper-threading on")),
    coresPerCcx: quantity(56, "CPUs", assumed("one mesh over four dies: a socket is one core complex")),
    coresPerSocket: quantity(56, "CPUs", assumed("the cores of a Xeon Platinum 8480+")),
    sockets: quantity(2, "CPUs", assumed("the commonest server")),
  },
  structures: {
    l1d4k: {
      entries: 96,
      ways: 6,
      ...from("HP7", "C", "Golden Cove, loads; CPUID says 64 / 4; stores have 16 more, not modelled"),
    },
    l1d2m: { entries: 32, ways: 4, ...from("ILX", "A", xeonW) },
    l1d1g: { entries: 8, ways: 8, ...from("ILX", "A", `${xeonW}, fully associative`) },
    l1i4k: { entries: 256, ways: 8, ...from("ILX", "A", xeonW) },
    l1i2m: { entries: 32, ways: 8, ...from("ILX", "A", xeonW) },
    stlb: {
      entries: 2048,
      ways: 16,
      ...from("ILX", "A", `${xeonW}: two arrays of 1024 with 8 ways, both for 4 KiB; one of 16 ways here`),
    },
    stlb1g: {
      entries: 1024,
      ways: 8,
      ...from("ILX", "A", `${xeonW}: the second of the two arrays, apart from its 4 KiB entries here`),
    },
    pde: skylakeSp.structures.pde,
    pdpte: skylakeSp.structures.pdpte,
    pml4e: skylakeSp.structures.pml4e,
  },
  prices: {
    ...kernelPrices,
    access: quantity(1, "cycles", assumed("about one instruction a cycle while nothing misses")),
    stlbHit: quantity(
      7,
      "cycles",
      from("ILX", "A", "Golden Cove (12900K), 15 to 22 cycles past the first level"),
    ),
    ...borrowed(icelakeSp.prices, ["memL1", "memL2", "memL3", "memDram"], "icelake-sp", before),
    ...borrowed(icelakeSp.prices, ["lineSmt", "lineCcx", "lineSocket"], "icelake-sp", before),
    lineRemote: quantity(
      138,
      "ns",
      from("CNC", "C", "Sapphire Rapids between sockets, a figure in an article"),
    ),
    store: quantity(1, "cycles", assumed("a store retires into the store buffer")),
    rmw: quantity(19, "cycles", from("UOPS", "A", "LOCK CMPXCHG m64 on Alder Lake-P, the same core")),
    ...borrowed(icelakeSp.prices, ["fence"], "icelake-sp", before),
    ...borrowed(skylakeSp.prices, ["assist", ...flushPrices], "Skylake", "two server cores before it"),
    ...fittedPrices,
    ipiDeliverSmt: delivery(),
    ipiDeliverCcx: delivery(),
    ipiDeliverSocket: delivery(),
    ipiDeliverRemote: delivery(138 - 51),
    frameRemote: remoteFrame(138 - 51),
  },
  work: kernelWork,
  ptiExtra: skylakeSp.ptiExtra,
  pcid: true,
  pti: false,
};
