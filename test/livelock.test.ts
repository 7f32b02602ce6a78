import { describe, expect, it } from "vitest";
import { searchCase } from "../src/engine/search.js";
import { subject } from "../src/scenario/D-clean-knl.js";

const build = (variant: string) => subject.variants[variant]!.build();

describe("a search for livelocks", () => {
  it("finds a shortest way to a state from which no end can be reached", () => {
    const found = searchCase(build("plain-test"), { livelock: true });
    expect(found).toMatchObject({ verdict: "unsafe", invariant: "progress" });
    const longer = searchCase(build("plain-test"), { livelock: true, depth: found.path!.length - 1 });
    expect(longer.verdict).toBe("unknown");
  });

  it("finds none where everybody comes to an end", () => {
    expect(searchCase(build("masked-test"), { livelock: true })).toMatchObject({
      verdict: "safe",
      complete: true,
    });
  });

  it("is no part of a search that was not asked for it", () => {
    expect(searchCase(build("plain-test")).verdict).toBe("safe");
  });
});
