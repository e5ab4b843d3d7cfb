import { runAudit } from '../audit/audit.ts'
import { collect } from '../audit/collect.ts'
import { describeDeadLetters } from '../audit/dead-letters.ts'
import type { Summary } from '../display/summary-type.ts'
import { readLedger } from './gateway-control.ts'
import type { Marketplace } from './open-marketplace.ts'
import type { Sent } from './send-orders.ts'

/** Audits a run that has come to rest, and says what it came to. */
export async function summarize(
  { databases, transport, services, counts }: Marketplace,
  sent: Sent,
  note: (text: string) => void,
): Promise<Summary> {
  await collect(databases, await readLedger(services.gateway.url))
  for (const letter of await describeDeadLetters(databases.audit)) note(letter)
  const { problems: found, ...audited } = await runAudit(databases.audit)
  const problems = [...sent.problems, ...found]
  return {
    ...audited,
    transport: transport.title,
    rejectedLines: sent.rejectedLines,
    retries: counts.retries,
    faults: { kills: sent.faults.kills, restarts: sent.faults.restarts },
    seconds: Math.round(sent.seconds * 10) / 10,
    ok: problems.length === 0,
    problems,
    addresses: {
      orders: services.orders[0].url,
      inventory: services.inventory[0].url,
      payments: services.payments[0].url,
      gateway: services.gateway.url,
    },
  }
}
