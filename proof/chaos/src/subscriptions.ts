import type { Kind } from './messages.ts'
import type { Service } from './scene.ts'

/** What a service subscribes to, of what the producers publish. */
export function kindsOf(service: Service): readonly Kind[] {
  if (service === 'producer') return []
  return service === 'saga' ? ['flow'] : ['step', 'call', 'note']
}
