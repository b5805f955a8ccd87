export { type Api, type ApiDeps, createApi } from './app.ts'
