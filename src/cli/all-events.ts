import { Event, type RunId } from '../schema/index.ts'
import { bodyOf, type Client } from './client.ts'

const EVENTS_AT_ONCE = 1000
/** More than any run writes; a server that never ends its list is left. */
const EVENTS_MAX = 1_000_000

/** The timeline of a run as it is now. */
export async function allEvents(client: Client, id: RunId): Promise<Event[]> {
  const all: Event[] = []
  while (all.length < EVENTS_MAX) {
    const query = { after: String(all.at(-1)?.seq ?? 0), limit: String(EVENTS_AT_ONCE) }
    const { events } = await bodyOf(client.v1.runs[':id'].events.$get({ param: { id }, query }))
    all.push(...Event.array().parse(events))
    if (events.length < EVENTS_AT_ONCE) break
  }
  return all
}
