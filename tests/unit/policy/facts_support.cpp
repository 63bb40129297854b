// The planner's own test facts serve here too.
#include "dane/facts_support.cpp"
