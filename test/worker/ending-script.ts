export {}; // serves nothing, so that its thread ends
