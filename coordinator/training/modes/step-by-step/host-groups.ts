/**
 * Blocks of one step that workers of one host hold: where they make up one node of the tree, one of these workers, the porter,
 * gets them from its mates in memory and pushes their sum.
 */
import { blockOfNode, nodeOfBlock } from "../../../../shared/core/slots.js";
import type { Grant, UnitRecord } from "../../../leases/book.js";

export interface HeldBlock {
  unitId: string;
  worker: string;
  /** Node that sums the block. */
  node: number;
}

export interface HostGroup {
  /** It sums all blocks. */
  node: number;
  porter: string;
  /** The porter's own first. */
  blocks: readonly HeldBlock[];
}

/** The groups of one step. */
export class HostGroups {
  readonly #slots: number;
  readonly #formed = new Set<HostGroup>();
  /** Blocks that were leased without one, or with one. */
  readonly #leased = new Set<string>();

  constructor(slots: number) {
    this.#slots = slots;
  }

  /**
   * The group in which a unit is leased. It is formed when the first of its units is, and holds for the others: its porter must
   * know from the beginning whom to wait for.
   */
  leased(unitId: string, records: readonly UnitRecord[]): HostGroup | undefined {
    const isFirst = !this.#leased.has(unitId);
    this.#leased.add(unitId);
    // Whoever computes it again is waited for already: nobody is to wait for its mates too.
    if (!isFirst) return undefined;
    const isIn = ({ blocks }: HostGroup): boolean => blocks.some((block) => block.unitId === unitId);
    const known = [...this.#formed].find(isIn);
    if (known !== undefined) return known;
    const formed = groupAround(this.#slots, unitId, records);
    if (formed?.blocks.some((block) => block.unitId !== unitId && this.#leased.has(block.unitId)) !== false)
      return undefined;
    this.#formed.add(formed);
    return formed;
  }

  /** The group whose sum this worker may push as this node. */
  pushedAs(node: number, worker: string): HostGroup | undefined {
    return [...this.#formed].find((group) => group.node === node && group.porter === worker);
  }
}

/** The largest node around a unit whose blocks mates hold, each for the first time. Undefined where that is no more than it. */
export function groupAround(
  slots: number,
  unitId: string,
  records: readonly UnitRecord[],
): HostGroup | undefined {
  const own = records.find(({ unit }) => unit.id === unitId);
  const host = own === undefined ? undefined : firstGrant(own)?.host;
  if (own?.unit.block === undefined || host === undefined || host === "") return undefined;
  let found: HostGroup | undefined;
  for (let node = nodeOfBlock(slots, own.unit.block) >>> 1; node >= 1; node >>>= 1) {
    const blocks = blocksBelow(slots, node, host, records);
    const [first] = blocks ?? [];
    if (blocks === undefined || first === undefined) return found;
    found = { node, porter: first.worker, blocks };
  }
  return found;
}

/** The blocks that make up a node, in order, if workers of the host hold all of them. */
function blocksBelow(
  slots: number,
  node: number,
  host: string,
  records: readonly UnitRecord[],
): HeldBlock[] | undefined {
  const { first, count } = blockOfNode(slots, node) ?? { first: 0, count: 0 };
  const held: HeldBlock[] = [];
  let end = first;
  for (const record of records) {
    const { id: unitId, block } = record.unit;
    if (block === undefined || block.first !== end || end >= first + count) continue;
    const grant = firstGrant(record);
    if (grant?.host !== host) return undefined;
    held.push({ unitId, worker: grant.worker, node: nodeOfBlock(slots, block) });
    end += block.count;
  }
  return end === first + count ? held : undefined;
}

/** Its one lease, while that goes on. */
function firstGrant({ grants, done }: UnitRecord): Grant | undefined {
  const [grant, ...more] = grants;
  return done === undefined && more.length === 0 && grant?.state === "held" ? grant : undefined;
}
