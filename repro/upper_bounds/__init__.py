"""Upper bounds on IU (Appendix A): what down- and upsampling leaves of the truth, by every way it can be done."""
