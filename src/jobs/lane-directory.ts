import { Injectable } from '@nestjs/common';
import { unprocessable } from '../protocol/problem.js';
import type { Priority } from '../protocol/priority.js';
import { requirementHash, type LaneRequirement } from './lane-requirement.js';
import { LanesRepository, MAX_REQUIREMENTS, type Lane } from './lanes.repository.js';

/** Lanes never change and are never dropped, so each is read once and kept. */
@Injectable()
export class LaneDirectory {
  private readonly byKey = new Map<string, Lane | Promise<Lane>>();
  private readonly byId = new Map<number, Lane>();

  constructor(private readonly lanes: LanesRepository) {}

  /**
   * The lane of a job to be, at once where it is known; made if it is the first of its kind. 422 where there are too
   * many kinds.
   */
  of(
    tenant_id: string,
    queue: string,
    priority: Priority,
    requirement: LaneRequirement,
  ): Lane | Promise<Lane> {
    const name = `${tenant_id}\n${queue}\n${priority}\n${JSON.stringify(requirement)}`;
    const known = this.byKey.get(name);
    if (known) return known;
    const requirement_hash = requirementHash(requirement);
    const lane = this.create({ tenant_id, queue, priority, requirement, requirement_hash });
    this.byKey.set(name, lane);
    lane.then(
      (made) => this.byKey.set(name, made),
      () => this.byKey.delete(name),
    );
    return lane;
  }

  /** Lanes by id, as signals and the poll name them; unknown ids are left out. */
  async byIds(ids: readonly number[]): Promise<Lane[]> {
    const unknown = ids.filter((id) => !this.byId.has(id));
    if (unknown.length > 0) for (const lane of await this.lanes.list(unknown)) this.byId.set(lane.id, lane);
    return ids.flatMap((id) => this.byId.get(id) ?? []);
  }

  peek(id: number): Lane | undefined {
    return this.byId.get(id);
  }

  private async create(key: Omit<Lane, 'id'>): Promise<Lane> {
    const lane = await this.lanes.findOrCreate(key);
    if (!lane) {
      throw unprocessable(
        `This tenant already uses ${MAX_REQUIREMENTS} different requirements. Use labels for kinds of machines, not for single jobs.`,
      );
    }
    this.byId.set(lane.id, lane);
    return lane;
  }
}
