/**
 * A5. The CPU that switches announces itself, then reads the generation; the flusher raises the generation, then looks at who is there.
 * Without a fence the announcement may still be in the store buffer when the generation is read:
 *
 *   CPU 1: loaded_mm = SWITCHING (buffered); reads the generation: up to date
 *   CPU 0: unmaps the page, raises the generation, reads loaded_mm: the other address space
 *   CPU 1: its store becomes visible, too late; loads the root without a flush; uses the old entry
 *
 * unsafe without the fence where loads pass stores (tso, weak), safe in sc and with the fence.
 */

import type { MemoryModel } from "../dsl/case.js";
import { scenario } from "./scenario.js";
import { switchBack } from "./switching.js";

const build = (broken: boolean, model: MemoryModel) =>
  switchBack({ "A-switch-barrier": broken }, { model, storeBuffer: 3 });

export const subject = scenario({
  name: "A5-switch-barrier",
  question:
    "Does the switch to an address space need a fence between announcing itself and reading the generation?",
  source:
    'commit 71b3c126e611, "x86/mm: Add barriers and document switch_mm()-vs-flush synchronization" (2016)',
  variants: {
    "no-fence": {
      title: "no fence, x86 store buffers",
      expected: "unsafe",
      breaks: "stale-right",
      build: () => build(true, "tso"),
    },
    "no-fence-sc": {
      title: "no fence, but stores are visible at once",
      expected: "safe",
      build: () => build(true, "sc"),
    },
    upstream: { title: "with the fence", expected: "safe", build: () => build(false, "tso") },
    "upstream-weak": {
      title: "with the fence, on a weakly ordered machine",
      expected: "safe",
      build: () => build(false, "weak"),
    },
  },
});
