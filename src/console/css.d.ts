/** Style sheets are imported for what they do, pictures for their address. */
declare module '*.css';
declare module '*.svg' {
  const address: string;
  export default address;
}
