export { type Service, startPayments } from './service.ts'
export { type Settings, settingsFrom } from './settings.ts'
