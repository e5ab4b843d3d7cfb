import { testWire } from '../../../test/vectors/suite.ts'
import { heldOf, messageOf } from './held.ts'

testWire('nats', {
  held: heldOf,
  messageOf,
  ofOthers: ({ headers, ...held }) => {
    const theirs = Object.entries(headers).filter(([name]) => name.startsWith('ce-') || name === 'content-type')
    return { ...held, headers: Object.fromEntries(theirs) }
  },
})
