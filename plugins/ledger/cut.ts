/** Which jobs that wait travel together. */
import { uuidv7 } from 'uuidv7'
import type { Registry } from '#schema/registry'
import type { UndeliveredJob } from './queries/relay.js'

/** Bytes of one delivery's payloads, unless a single one has more: a consumer holds some dozens of deliveries at a time. */
const MOST_BYTES = 65_536

interface Planned {
  id: string
  ids: string[]
  bytes: number
}

/** First attempts go together, cut to the type's batch and to what a consumer can hold; what failed before travels alone. */
export function cut(due: UndeliveredJob[], registry: Registry): Planned[] {
  const open = new Map<string, Planned>()
  const deliveries: Planned[] = []
  for (const { id, type, attempts, bytes } of due) {
    const batch = attempts > 0 ? 1 : (registry.jobs.get(type)?.limits.batch ?? 1)
    const growing = batch > 1 ? open.get(type) : undefined
    if (growing && growing.ids.length < batch && growing.bytes + bytes <= MOST_BYTES) {
      growing.ids.push(id)
      growing.bytes += bytes
      continue
    }
    const delivery = { id: uuidv7(), ids: [id], bytes }
    deliveries.push(delivery)
    if (batch > 1) open.set(type, delivery)
  }
  return deliveries
}
